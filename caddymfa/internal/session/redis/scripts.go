package redis

import "github.com/redis/rueidis"

// What add and update answer besides 1 for done, and 0 where the version is
// another.
const (
	done       = 1
	heldNumber = -1 // the key holds a counter
)

// verdict reads such an answer.
func verdict(reply rueidis.RedisMessage) (bool, error) {
	n, err := reply.AsInt64()
	switch {
	case err != nil:
		return false, errReply
	case n == heldNumber:
		return false, errCounter
	}
	return n == done, nil
}

// Each script touches one key, so that it runs in a cluster, and none is ever
// repeated by rueidis: after a timeout nobody knows whether it ran, and a
// second run of count would count twice. Times are durations by Redis' clock.
//
// A counter is digits; a record begins with how many groups it has, which is no
// digit. Byte n of a layout is the n+1st in Lua.
const (
	// ARGV: groups and sealed record, ms to live, and what may be replaced, if
	// anything. A record that is in the way is returned.
	addText = `
local held = redis.call('GET', KEYS[1])
if not held or held == ARGV[3] then
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
  return 1
end
if string.find(held, '^%d+$') then return -1 end
return held`

	// ARGV: version, sealed record, ms to live. The groups stay.
	updateText = `
local held = redis.call('GET', KEYS[1])
if not held then return 0 end
if string.find(held, '^%d+$') then return -1 end
local front = 1 + 8 * string.byte(held)
if string.sub(held, front + 6, front + 13) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], string.sub(held, 1, front) .. ARGV[2], 'PX', ARGV[3])
return 1`

	// ARGV: channel or '', message. Returns what was there.
	removeText = `
local held = redis.pcall('GET', KEYS[1])
redis.call('DEL', KEYS[1])
if ARGV[1] ~= '' then redis.call('PUBLISH', ARGV[1], ARGV[2]) end
if type(held) == 'string' then return held end
return ''`

	// ARGV: ms of the window. A counter that somebody made persistent gets a
	// window again.
	countText = `
local n = redis.call('INCR', KEYS[1])
local left = redis.call('PTTL', KEYS[1])
if left < 0 then
  left = tonumber(ARGV[1])
  redis.call('PEXPIRE', KEYS[1], left)
end
return {n, left}`

	// Returns the counter and its ms to live, -1 if it is persistent.
	readText = `
return {redis.call('GET', KEYS[1]) or '0', redis.call('PTTL', KEYS[1])}`

	// ARGV: member, its deadline, ms to live, deadlines to forget. A deadline
	// never moves forward: the record that has it may be the one that stays.
	joinText = `
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[4])
redis.call('ZADD', KEYS[1], 'GT', ARGV[2], ARGV[1])
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[3]) then
  redis.call('PEXPIRE', KEYS[1], ARGV[3])
end
return 1`

	// ARGV: member, its deadline. One of a later deadline was added meanwhile,
	// and stays.
	leaveText = `
local deadline = redis.call('ZSCORE', KEYS[1], ARGV[1])
if deadline and tonumber(deadline) <= tonumber(ARGV[2]) then
  redis.call('ZREM', KEYS[1], ARGV[1])
end
return 1`
)

// scripts are sent by their hash, and whole where Redis does not know it.
type scripts struct {
	add, update, remove, count, read, join, leave *rueidis.Lua
}

func newScripts() scripts {
	lua := func(text string) *rueidis.Lua { return rueidis.NewLuaScript(text) }
	return scripts{
		add: lua(addText), update: lua(updateText), remove: lua(removeText),
		count: lua(countText), read: lua(readText), join: lua(joinText), leave: lua(leaveText),
	}
}
