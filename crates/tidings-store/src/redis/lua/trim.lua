-- Removes what the retention no longer keeps, a bounded piece of it. ARGV: the epoch, the most updates, the most bytes,
-- the time before which updates are too old, in ms since 1970 (0: none is). The answer: whether there is more to
-- remove.
local known = call('HMGET', meta, 'epoch', 'end')
if known[1] ~= ARGV[1] or call('EXISTS', log) == 0 then
  return 'lost'
end
-- How many bytes of records are read at a time, about.
local ROOM = 1024 * 1024
local more, too_old = false, tonumber(ARGV[4])
-- When an update came, from its record.
local function at_of(record)
  local ms = 0
  for place = 10, 3, -1 do
    ms = ms * 256 + (string.byte(record, place) or 255)
  end
  return ms
end
if too_old > 0 then
  local from, keep, walked = 0, nil, 0
  local read, size, seen = 0, 0, 0
  local young = false
  while not young and walked < 2000 and seen < 8 * ROOM do
    read = grown(read, size, ROOM, 100)
    local some = call('XRANGE', log, '0-' .. whole(from), TOP, 'COUNT', read)
    size = 0
    for _, entry in ipairs(some) do
      local records = records_of(entry)
      size = size + #table.concat(records)
      -- The others in the entry came at the same time.
      young = at_of(records[#records]) >= too_old
      if young then break end
      keep = seq_of(entry[1]) + 1
    end
    if #some < read then young = true end
    from, walked, seen = keep or 0, walked + #some, seen + size
  end
  if keep then more = trim_to(keep) end
  more = more or not young
end
local last, stop = last_seq(), tonumber(known[2] or '0')
more = retain(tonumber(ARGV[2]), tonumber(ARGV[3]), stop, last) or more
more = unindex(oldest_seq(last)) or more
return more and 'more' or 'done'
