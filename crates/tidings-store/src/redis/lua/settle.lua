-- Settles which log it is. ARGV: the epoch that the caller has found and takes for lost, or nothing; a new one; the
-- generation that the caller knows of. The first of several callers that have seen a loss gives the new epoch; the
-- others find another one than they have seen, and take it.
local wrong = misused()
if wrong then return wrong end
local epoch, there = call('HGET', meta, 'epoch'), call('EXISTS', log) == 1
if epoch and there and epoch ~= ARGV[1] then
  return epoch
end
local generation = math.max(tonumber(call('HGET', meta, 'generation') or '0') or 0, tonumber(ARGV[3])) + 1
if not there then
  call('DEL', meta, keys, ids, index)
  -- A stream without entries: that it is missing will mean that it was deleted.
  call('XGROUP', 'CREATE', log, 'tidings', '$', 'MKSTREAM')
  call('XGROUP', 'DESTROY', log, 'tidings')
elseif not epoch then
  local newest = call('XREVRANGE', log, TOP, '-', 'COUNT', 1)[1]
  if newest then
    local records = records_of(newest)
    local size = #table.concat(records) + #records * OVERHEAD + ENTRY
    call('HSET', meta, 'end', whole(start_of(newest[2]) + size))
  end
end
call('HSET', meta, 'format', '1', 'epoch', ARGV[2], 'generation', whole(generation))
return ARGV[2]
