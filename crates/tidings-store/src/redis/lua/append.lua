-- Appends updates. ARGV: the epoch, the most updates and the most bytes to retain, how many records, the records; how
-- many groups that are all or none, the first and last place of each; then for each update that is found by something
-- its place, its key or nothing, its digest, its own id or nothing.
-- The answer: 'ok', the first new seq, and for each
-- that was not appended its place, why, and a seq.
local known = call('HMGET', meta, 'epoch', 'end')
if known[1] ~= ARGV[1] or call('EXISTS', log) == 0 then
  return { 'lost' }
end
local stop = tonumber(known[2] or '0')
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
  if seq and call('XRANGE', log, '0-' .. seq, '0-' .. seq)[1] then
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

local newest
for place = 1, count do
  local by = found_by[place]
  if groups[place] then check(place, groups[place]) end
  local key = by and ARGV[by + 1] or ''
  if key ~= '' and not settled[place] then
    local seq, digest = holder(key)
    if seq then
      settle(place, digest == ARGV[by + 2] and 'repeated' or 'reused', seq)
    end
  end
  if not settled[place] then
    local record = ARGV[RECORDS + place]
    newest = call('XADD', log, '0-*', 'r', record, 'b', whole(stop))
    stop = stop + #record + OVERHEAD
    if answer[2] == '' then answer[2] = whole(seq_of(newest)) end
    if by then
      local own, seq = ARGV[by + 3], seq_of(newest)
      local fields = {}
      if key ~= '' then
        call('HSET', keys, key, whole(seq) .. ':' .. ARGV[by + 2])
        fields = { 'k', key }
      end
      if own ~= '' then
        own = own .. string.format('%016.0f', seq)
        call('ZADD', ids, 0, own)
        fields[#fields + 1], fields[#fields + 2] = 'i', own
      end
      for field = 2, #fields, 2 do
        stop = stop + 2 * #fields[field] + FOUND_BY
      end
      call('XADD', index, newest, unpack(fields))
    end
  end
end
if newest then
  call('HSET', meta, 'end', whole(stop))
  retain(tonumber(ARGV[2]), tonumber(ARGV[3]), stop, seq_of(newest))
end
return answer
