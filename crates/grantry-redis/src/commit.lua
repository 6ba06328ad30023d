#!lua
-- Applies a change set, all or none. Of each change, ARGV has what the record must begin with (nothing: there must
-- be none), the new value, when it ends, and the id; KEYS has the record, then the indexes that list it. A claim is
-- a record without a value and without indexes.
local FIELDS, TURN, PROBES = 4, 16384, 4

local function indexes(value)
  return string.byte(value, 13) or 0
end

local function file(index, old, new)
  if old then redis.call('ZREM', index, old) end
  redis.call('ZADD', index, 0, new)
  local now = math.floor(redis.call('TIME')[1] / TURN)
  for _, entry in ipairs(redis.call('ZRANDMEMBER', index, PROBES)) do
    if #entry ~= 20 or struct.unpack('>I4', entry, 17) < now then redis.call('ZREM', index, entry) end
  end
  local ends = (struct.unpack('>I4', new, 17) + 1) * TURN
  -- GT alone would leave an index without an end as it is.
  if redis.call('EXPIREAT', index, ends, 'NX') == 0 then redis.call('EXPIREAT', index, ends, 'GT') end
end

local records, key = {}, 1
for arg = 1, #ARGV, FIELDS do
  local old = redis.call('GET', KEYS[key])
  if (old and string.sub(old, 1, 8)) ~= (ARGV[arg] ~= '' and ARGV[arg]) then return 0 end
  records[#records + 1] = old
  key = key + 1 + indexes(ARGV[arg + 1])
end

-- Indexes come first: a key of another type fails here, and an entry without a record is none.
key = 1
for number, old in ipairs(records) do
  local value, id = ARGV[number * FIELDS - 2], ARGV[number * FIELDS]
  local last = key + indexes(value)
  if last > key and not (old and string.sub(old, 9, 13) == string.sub(value, 9, 13)) then
    for index = key + 1, last do
      file(KEYS[index], old and id .. string.sub(old, 9, 12), id .. string.sub(value, 9, 12))
    end
  end
  key = last + 1
end

key = 1
for number = 1, #records do
  local value = ARGV[number * FIELDS - 2]
  redis.call('SET', KEYS[key], value, 'EXAT', ARGV[number * FIELDS - 1])
  key = key + 1 + indexes(value)
end
return 1
