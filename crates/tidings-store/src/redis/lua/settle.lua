-- Settles which log it is. ARGV: the epoch that the caller believes in, a new one, whether what it knew of the log is
-- lost. The first of several callers that have seen a loss gives the new epoch; the others take it.
local epoch, there = call('HGET', meta, 'epoch'), call('EXISTS', log) == 1
if epoch and there and not (ARGV[3] == 'lost' and epoch == ARGV[1]) then
  return epoch
end
if not there then
  call('DEL', meta, keys, ids, index)
  -- A stream without entries: that it is missing will mean that it was deleted.
  call('XGROUP', 'CREATE', log, 'tidings', '$', 'MKSTREAM')
  call('XGROUP', 'DESTROY', log, 'tidings')
elseif not epoch then
  local newest = call('XREVRANGE', log, TOP, '-', 'COUNT', 1)[1]
  if newest then
    call('HSET', meta, 'end', whole(start_of(newest[2]) + #(newest[2][2] or '') + OVERHEAD))
  end
end
call('HSET', meta, 'format', '1', 'epoch', ARGV[2])
return ARGV[2]
