-- What the log is now: format, epoch, whether it is there, oldest seq, last seq, bytes, generation.
local wrong = misused()
if wrong then return wrong end
local known = call('HMGET', meta, 'format', 'epoch', 'end', 'generation')
local format, epoch, stop = known[1] or '', known[2] or '', tonumber(known[3] or '0')
local generation = known[4] or '0'
if call('EXISTS', log) == 0 then
  return { format, epoch, 'gone', '1', '0', '0', generation }
end
local last, first = last_seq(), entry_from(0)
local bytes = first and stop - start_of(first[2]) or 0
return { format, epoch, 'there', whole(oldest_seq(last)), whole(last), whole(bytes), generation }
