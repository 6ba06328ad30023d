#!lua
-- Replaces one record that stays in its indexes. ARGV has what it begins with, the new value, and when it ends. Returns
-- 2, and writes nothing, where a record of this version is in its indexes otherwise: they have to be named.
local head = redis.call('GETRANGE', KEYS[1], 0, 12)
if head == ARGV[1] then
  redis.call('SET', KEYS[1], ARGV[2], 'EXAT', ARGV[3])
  return 1
end
return string.sub(head, 1, 8) == string.sub(ARGV[1], 1, 8) and 2 or 0
