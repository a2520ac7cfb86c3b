-- Reads updates. ARGV: the first seq, the seq before which to end, the most updates, and after how many bytes to end.
-- The answer: epoch, oldest seq, last seq, up to where it was read, and for each update its seq and its record.
local epoch = call('HGET', meta, 'epoch')
if not epoch or call('EXISTS', log) == 0 then
  return { 'lost' }
end
local from, stop = tonumber(ARGV[1]), tonumber(ARGV[2])
local most, bytes = tonumber(ARGV[3]), tonumber(ARGV[4])
local last = last_seq()
local oldest = oldest_seq(last)
local answer = { epoch, whole(oldest), whole(last), '' }
local next = math.max(from, math.min(stop, last + 1))
local at, count, size = math.max(from, oldest), 0, 0
local read, read_size = 0, 0
while at < next and count < most and size < bytes do
  read = grown(read, read_size, bytes - size, math.min(32, most - count))
  local some = call('XRANGE', log, '0-' .. whole(at), TOP, 'COUNT', read)
  read_size = -size
  if #some == 0 then at = next end
  for _, entry in ipairs(some) do
    local records, first = records_of(entry)
    for offset, record in ipairs(records) do
      local seq = first + offset - 1
      if seq >= next or count == most or size >= bytes then break end
      if seq >= at then
        answer[#answer + 1], answer[#answer + 2] = whole(seq), record
        count, size, at = count + 1, size + #record, seq + 1
      end
    end
    if first >= next then at = next end
    if at >= next or count == most or size >= bytes then break end
  end
  read_size = read_size + size
end
answer[4] = whole(math.min(at, next))
return answer
