#!lua
-- Takes the entries of ARGV out of an index, but for those whose record is there. KEYS has the index, then the records.
for number, entry in ipairs(ARGV) do
  if redis.call('EXISTS', KEYS[number + 1]) == 0 then redis.call('ZREM', KEYS[1], entry) end
end
