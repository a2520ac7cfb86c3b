-- What the log is now: format, epoch, whether it is there, oldest seq, last seq, bytes.
local known = call('HMGET', meta, 'format', 'epoch', 'end')
local format, epoch, stop = known[1] or '', known[2] or '', tonumber(known[3] or '0')
if call('EXISTS', log) == 0 then
  return { format, epoch, 'gone', '1', '0', '0' }
end
local last, first = last_seq(), entry_from(0)
local oldest = first and seq_of(first[1]) or last + 1
return { format, epoch, 'there', whole(oldest), whole(last), whole(first and stop - start_of(first[2]) or 0) }
