-- Reads updates. ARGV: the first seq, the seq before which to end, the most updates, and after how many bytes to end.
-- The answer: epoch, oldest seq, last seq, up to where it was read, and for each update its seq and its record.
local epoch = call('HGET', meta, 'epoch')
if not epoch or call('EXISTS', log) == 0 then
  return { 'lost' }
end
local from, stop = tonumber(ARGV[1]), tonumber(ARGV[2])
local most, bytes = tonumber(ARGV[3]), tonumber(ARGV[4])
local last, first = last_seq(), entry_from(0)
local oldest = first and seq_of(first[1]) or last + 1
local answer = { epoch, whole(oldest), whole(last), '' }
local next = math.max(from, math.min(stop, last + 1))
local at, count, size = from, 0, 0
local read, read_size = 0, 0
while at < next and count < most and size < bytes do
  read = grown(read, read_size, bytes - size, math.min(32, most - count))
  local some = call('XRANGE', log, '0-' .. whole(at), '(0-' .. whole(next), 'COUNT', read)
  read_size = -size
  if #some == 0 then
    at = next
    break
  end
  for _, entry in ipairs(some) do
    if size >= bytes then break end
    local seq, record = seq_of(entry[1]), entry[2][2] or ''
    answer[#answer + 1], answer[#answer + 2] = whole(seq), record
    count, size, at = count + 1, size + #record, seq + 1
  end
  read_size = read_size + size
end
answer[4] = whole(math.min(at, next))
return answer
