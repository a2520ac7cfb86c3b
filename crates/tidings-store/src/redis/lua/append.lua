-- Appends updates. ARGV: the epoch, the most updates and the most bytes to retain, how many records, the records; how
-- many groups that are all or none, the first and last place of each; then for each update that is found by something
-- its place, its key or nothing, its digest, its own id or nothing.
-- The answer: 'ok', the first new seq, and for each that was not appended its place, why, and a seq.
local known = call('HMGET', meta, 'epoch', 'end', 'last')
if known[1] ~= ARGV[1] or call('EXISTS', log) == 0 then
  return { 'lost' }
end
local stop, last = tonumber(known[2] or '0'), tonumber(known[3] or '')
-- There is more than is known where another program has written into the log, or where this script was ended by an error in
-- its middle. What comes is after that: an entry's id alone does not tell, for with several updates it may be above.
if not last or entry_from(last + 1) then
  last = last_seq()
end
local count = tonumber(ARGV[4])
local RECORDS = 4
local groups, found_by = {}, {}
local at = RECORDS + count + 1
for _ = 1, tonumber(ARGV[at]) do
  groups[tonumber(ARGV[at + 1])] = tonumber(ARGV[at + 2])
  at = at + 2
end
for place = at + 1, #ARGV, 4 do
  found_by[tonumber(ARGV[place])] = place
end

-- The retained update with a key: its seq and digest.
local function holder(key)
  local seq, digest = string.match(call('HGET', keys, key) or '', '^(%d+):(%d+)$')
  if seq and is_retained(tonumber(seq)) then
    return seq, digest
  end
end

local answer, settled = { 'ok', '' }, {}
local function settle(place, why, seq)
  settled[place] = true
  local size = #answer
  answer[size + 1], answer[size + 2], answer[size + 3] = whole(place), why, seq
end

-- Refuses a group whole when one of its keys is another update's.
local function check(first, last)
  local own, clash = {}, false
  for place = first, last do
    local by = found_by[place]
    local key, digest = by and ARGV[by + 1], by and ARGV[by + 2]
    if key and key ~= '' then
      local held = own[key]
      if not held then
        local _, its = holder(key)
        held = its or digest
        own[key] = held
      end
      if held ~= digest then
        clash = true
        settle(place, 'reused', '0')
      end
    end
  end
  if not clash then return end
  for place = first, last do
    if not settled[place] then settle(place, 'out', '0') end
  end
end

-- How many records, and how many bytes of them, are together in an entry, unless a single one is larger.
local MOST, ROOM = 100, 32768
-- The entry to be: where its bytes begin, its records as fields, their places, how many bytes they are, their keys.
local start, fields, places, size, keyed = stop, {}, {}, 0, {}

-- Remembers the keys of the updates in an entry. That is done before all else: whoever is told of an error publishes again.
local function remember()
  local held = {}
  for offset, place in ipairs(places) do
    local by = found_by[place]
    if by and ARGV[by + 1] ~= '' then
      held[#held + 1], held[#held + 2] = ARGV[by + 1], whole(last + offset) .. ':' .. ARGV[by + 2]
    end
  end
  if #held > 0 then call('HSET', keys, unpack(held)) end
end

-- Lists what an update is found by.
local function list(seq, by)
  local key, own, listed = ARGV[by + 1], ARGV[by + 3], {}
  if key ~= '' then listed = { 'k', key } end
  if own ~= '' then
    own = own .. string.format('%016.0f', seq)
    call('ZADD', ids, 0, own)
    listed[#listed + 1], listed[#listed + 2] = 'i', own
  end
  for field = 2, #listed, 2 do
    stop = stop + 2 * #listed[field] + FOUND_BY
  end
  call('XADD', index, '0-' .. whole(seq), unpack(listed))
end

-- Writes the entry.
local function write()
  if #places == 0 then return end
  local function add()
    return redis.pcall('XADD', log, '0-' .. whole(last + #places), 'b', whole(start), unpack(fields))
  end
  local added = add()
  if type(added) == 'table' and added.err then
    -- What was after the last one that is known is not there any more.
    last = last_seq()
    added = add()
    if type(added) == 'table' and added.err then return added end
  end
  if answer[2] == '' then answer[2] = whole(last + 1) end
  stop = start + size + #places * OVERHEAD + ENTRY
  remember()
  for offset, place in ipairs(places) do
    if found_by[place] then list(last + offset, found_by[place]) end
  end
  last = last + #places
  start, fields, places, size, keyed = stop, {}, {}, 0, {}
end

for place = 1, count do
  local by = found_by[place]
  local key, wrong = by and ARGV[by + 1] or '', nil
  -- What is not written yet is not found by its key.
  if keyed[key] or groups[place] then wrong = write() end
  if wrong then return wrong end
  if groups[place] then check(place, groups[place]) end
  if key ~= '' and not settled[place] then
    local seq, digest = holder(key)
    if seq then
      settle(place, digest == ARGV[by + 2] and 'repeated' or 'reused', seq)
    end
  end
  if not settled[place] then
    local record = ARGV[RECORDS + place]
    if #places == MOST or (#places > 0 and size + #record > ROOM) then wrong = write() end
    if wrong then return wrong end
    places[#places + 1] = place
    fields[#fields + 1], fields[#fields + 2] = 'r', record
    size = size + #record
    if key ~= '' then keyed[key] = true end
  end
end
local wrong = write()
if wrong then return wrong end
if answer[2] ~= '' then
  call('HSET', meta, 'end', whole(stop), 'last', whole(last))
  retain(tonumber(ARGV[2]), tonumber(ARGV[3]), stop, last)
end
return answer
