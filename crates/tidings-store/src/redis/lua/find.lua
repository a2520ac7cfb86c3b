-- Finds the update with an own id. ARGV: the id as it is listed, 'oldest' or 'newest'. The answer: its seq, or 0.
local oldest = oldest_seq(last_seq())
-- Some that have left may still be listed: the list is bounded by what is retained.
local low = '[' .. ARGV[1] .. string.format('%016.0f', oldest)
local high = '[' .. ARGV[1] .. '9999999999999999'
local found
if ARGV[2] == 'oldest' then
  found = call('ZRANGEBYLEX', ids, low, high, 'LIMIT', 0, 100)
else
  found = call('ZREVRANGEBYLEX', ids, high, low, 'LIMIT', 0, 100)
end
for _, listed in ipairs(found) do
  local seq = tonumber(string.sub(listed, -16))
  if is_retained(seq) then return whole(seq) end
end
return '0'
