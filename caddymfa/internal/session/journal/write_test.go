package journal

import (
	"errors"
	"testing"

	"github.com/caddymfa/caddymfa/caddymfa/internal/session"
)

// What a batch owes waits again if it was not written: the last of each key,
// and only where nothing newer waits. All the while it is owed.
func TestSettleKeepsTheNewest(t *testing.T) {
	key := func(name string) session.Key { return session.NewKey(session.KindSession, name) }
	twice, newer, deleted := key("twice"), key("newer"), key("deleted")
	j := &Journal{closed: true, later: map[session.Key]item{}, filling: new(batch), writing: new(batch)}
	j.filling.owed = []item{{twice, []byte("first")}, {twice, []byte("last")}, {newer, []byte("old")}, {deleted, nil}}
	b := j.take()
	j.later[newer] = item{newer, []byte("new")}
	if !j.Owes(twice) || !j.Owes(deleted) || j.Owes(key("other")) {
		t.Error("Owes does not know what is being written")
	}
	b.err = errors.New("disk is full")
	j.settle(b)
	if len(j.later) != 3 || string(j.later[twice].sealed) != "last" || string(j.later[newer].sealed) != "new" || j.later[deleted].sealed != nil {
		t.Errorf("later = %v, want the newest of each key", j.later)
	}
}
