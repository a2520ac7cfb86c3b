-- What all scripts begin with: the keys, and what they share.
local log, meta, keys, ids, index = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local call = redis.call

-- Above all ids that Tidings writes; another program's may be above it.
local TOP = '0-18446744073709551615'

-- What a record costs beside its bytes and what it is found by, and what an entry costs beside its records, in bytes.
local OVERHEAD = 8
local ENTRY = 24
-- What a key or an own id costs beside twice its text: it is in a table and in the list of what leaves.
local FOUND_BY = 160

-- A whole number as text: Lua itself writes large ones with an exponent.
local function whole(number)
  return string.format('%.0f', number)
end

-- The seq in an entry's id; 0 in one that Tidings did not write.
local function seq_of(id)
  return tonumber(string.match(id, '^0%-(%d+)$') or '0')
end

-- An error when one of the keys is another program's.
local function misused()
  for place, kind in ipairs({ 'stream', 'hash', 'hash', 'zset', 'stream' }) do
    local found = call('TYPE', KEYS[place]).ok
    if found ~= kind and found ~= 'none' then
      return redis.error_reply('WRONGTYPE ' .. KEYS[place] .. ' is a ' .. found .. ' and not a ' .. kind)
    end
  end
end

-- Where an entry's bytes begin, of all that were ever in the log.
local function start_of(fields)
  return tonumber(fields[2] or '0') or 0
end

-- The records in an entry, and the seq of the first: its id is the seq of the last. In one that Tidings did not write is
-- one, and it is nothing.
local function records_of(entry)
  local records, fields = {}, entry[2]
  for place = 1, #fields, 2 do
    if fields[place] == 'r' then records[#records + 1] = fields[place + 1] end
  end
  if #records == 0 then records[1] = '' end
  return records, math.max(1, seq_of(entry[1]) - #records + 1)
end

-- The first entry that has a seq or a later one.
local function entry_from(seq)
  return call('XRANGE', log, '0-' .. whole(seq), TOP, 'COUNT', 1)[1]
end

-- The seq that was given last, in the log's life.
local function last_seq()
  local info = call('XINFO', 'STREAM', log)
  for place = 1, #info, 2 do
    if info[place] == 'last-generated-id' and seq_of(info[place + 1]) > 0 then
      return seq_of(info[place + 1])
    end
  end
  local newest = call('XREVRANGE', log, TOP, '-', 'COUNT', 1)[1]
  return newest and seq_of(newest[1]) or 0
end

-- The oldest seq that is retained: what is older in an entry has left, though the entry has not.
local function oldest_seq(last)
  local entry = entry_from(0)
  if not entry then return last + 1 end
  local _, first = records_of(entry)
  return math.min(last + 1, math.max(first, tonumber(call('HGET', meta, 'oldest') or '1')))
end

-- Whether an update is retained.
local function is_retained(seq)
  local entry = seq >= tonumber(call('HGET', meta, 'oldest') or '1') and entry_from(seq)
  if not entry then return false end
  local _, first = records_of(entry)
  return first <= seq
end

-- How many entries to read next, when so many were just read that have so many bytes: at first one, for it may be
-- large, and then twice as many as before, as far as that has about as many bytes as there is room for.
local function grown(count, size, room, most)
  if count == 0 then return 1 end
  local fit = math.floor(room * count / math.max(size, 1))
  return math.max(1, math.min(2 * count, fit, most))
end

-- Removes what some of the updates before a seq were found by. Says whether there is more.
local function unindex(seq)
  local left = call('XRANGE', index, '-', '(0-' .. whole(seq), 'COUNT', 1000)
  for _, entry in ipairs(left) do
    local its, fields = string.match(entry[1], '%d+$'), entry[2]
    for place = 1, #fields, 2 do
      local text = fields[place + 1]
      if fields[place] == 'i' then
        call('ZREM', ids, text)
      else
        local holder = call('HGET', keys, text)
        if holder and string.match(holder, '^%d+') == its then
          call('HDEL', keys, text)
        end
      end
    end
  end
  if #left > 0 then
    call('XTRIM', index, 'MINID', '=', '0-' .. whole(seq_of(left[#left][1]) + 1))
  end
  return #left == 1000
end

-- How many entries leave at a time: others wait meanwhile.
local STEP = 2000
-- How many entries are in one node of a stream, unless the server is told otherwise. It removes whole nodes at a time,
-- as far as they are within the step.
local NODE = 100

-- Removes entries with nothing but updates before a seq, about a step of them. Says whether some of them, or of what those
-- updates were found by, are still there.
local function trim_to(seq)
  local id = '0-' .. whole(seq)
  if call('XTRIM', log, 'MINID', '~', id, 'LIMIT', STEP) > STEP - NODE then
    local entry = entry_from(0)
    unindex(entry and math.min(seq, seq_of(entry[1])) or seq)
    return true
  end
  call('XTRIM', log, 'MINID', '=', id)
  return unindex(seq)
end

-- The oldest seq from which on the log is at most so many bytes, but never one after the last entry's first. Entries leave
-- whole.
local function seq_within(bytes, stop, last)
  local first, newest = entry_from(0), entry_from(last)
  if not first then return nil end
  local before, within = seq_of(first[1]), last
  if newest then
    local _, its = records_of(newest)
    within = its
  end
  if stop - start_of(first[2]) <= bytes then return nil end
  while before + 1 < within do
    local middle = math.floor((before + within) / 2)
    local entry = entry_from(middle)
    if not entry or stop - start_of(entry[2]) <= bytes then
      within = middle
    else
      before = math.min(seq_of(entry[1]), within - 1)
    end
  end
  return within
end

-- Holds the log to so many updates and so many bytes (0: any number). A sixty-fourth more bytes than needed leave, so
-- that the search for the place is not made for every batch.
local function retain(max_updates, max_bytes, stop, last)
  local more = false
  if max_updates > 0 and last > max_updates then
    local oldest = last - max_updates + 1
    -- What has left another hub's retention, or an earlier one, does not come back: its keys have left, too.
    if oldest > tonumber(call('HGET', meta, 'oldest') or '0') then
      call('HSET', meta, 'oldest', whole(oldest))
    end
    more = trim_to(oldest)
  end
  if max_bytes > 0 and stop - tonumber(call('HGET', meta, 'base') or '0') > max_bytes then
    local first = entry_from(0)
    if first and stop - start_of(first[2]) > max_bytes then
      local seq = seq_within(max_bytes - math.floor(max_bytes / 64), stop, last)
      if seq then more = trim_to(seq) end
      first = entry_from(0)
    end
    call('HSET', meta, 'base', whole(first and start_of(first[2]) or stop))
  end
  return more
end

