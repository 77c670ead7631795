package sessiontest

import "testing"

// named is one test of the suite.
type named struct {
	name string
	test func(*testing.T, store)
}

// basic are the tests of single records and counters.
func basic() []named {
	return []named{
		{"absent keys are answers and not errors", testAbsent},
		{"a record is loaded as it was added", testRoundTrip},
		{"a taken key is not added again", testAddTaken},
		{"a deadline that is not in the future is refused", testPastDeadline},
		{"a value that is too long is refused", testTooLong},
		{"kinds do not collide", testKinds},
		{"unknown kinds are refused", testUnknownKind},
		{"a record is absent from its deadline on", testRecordExpiry},
		{"an expired key can be added again", testAddAfterExpiry},
		{"update replaces value and deadline", testUpdate},
		{"update with an old version loses", testUpdateStale},
		{"update revives neither deleted nor expired records", testNoResurrection},
		{"update does not take a new record for the old one", testReplacedRecord},
		{"delete removes records and counters", testDelete},
		{"a loaded record is not changed by later writes", testImmutable},
		{"a counter counts within its window", testCounter},
		{"later increments do not extend the window", testWindowStays},
		{"a window must be positive", testWindowPositive},
		{"records and counters are not mixed up", testMixed},
		{"of many who add one key one wins", testAddContention},
		{"of many who update one version one wins", testUpdateContention},
		{"no update is lost under contention", testUpdateLoses},
		{"no increment is lost under contention", testIncrementContention},
		{"a cancelled context never makes a lie", testCancelled},
	}
}

// listed are the tests of touches, lists, news and leases.
func listed() []named {
	return []named{
		{"touch replaces the value and nothing else", testTouch},
		{"touch with an old version loses", testTouchStale},
		{"touch revives neither deleted nor expired records", testTouchNoResurrection},
		{"touch refuses what update refuses", testTouchRefuses},
		{"of many who touch one version one wins", testTouchContention},
		{"a group has those that were added to it", testMembers},
		{"a group has none that has ended", testMembersEnd},
		{"a changed record stays in its groups", testMembersChanged},
		{"a key that is taken joins no group", testMembersTaken},
		{"a record belongs to few groups", testTooManyGroups},
		{"other kinds leave a group's sessions alone", testMembersKinds},
		{"a scan of nothing ends", testScanEmpty},
		{"a scan returns the living of one kind", testScanKinds},
		{"a scan returns all that live throughout", testScan},
		{"a scan refuses what it did not return", testScanRefuses},
		{"a deletion is told to all who watch", testWatch},
		{"what is no deletion of a session is not told", testWatchOthers},
		{"nothing is told after stop", testWatchStop},
		{"a lease is held, renewed and taken over", testLease},
		{"a lease is released by its holder alone", testLeaseRelease},
		{"one of many acquires a lease", testLeaseContention},
	}
}

// shared are the tests of two clients of one state. Some are tests of one,
// whose contenders are now spread over both.
func shared() []named {
	return []named{
		{"what one adds the other finds", testSharedRecord},
		{"what one changes the other has soon", testSharedChange},
		{"what one deletes the other has no longer", testSharedDelete},
		{"what one counts the other counts on", testSharedCounter},
		{"both have the same lists", testSharedLists},
		{"both are told of a deletion", testSharedNews},
		{"of many who add one key one wins", testAddContention},
		{"of many who update one version one wins", testUpdateContention},
		{"of many who touch one version one wins", testTouchContention},
		{"no update is lost under contention", testUpdateLoses},
		{"no increment is lost under contention", testIncrementContention},
		{"one of many acquires a lease", testLeaseContention},
		{"a lease passes from one to the other", testSharedLease},
	}
}
