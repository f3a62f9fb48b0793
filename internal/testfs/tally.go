package testfs

// A Tally is what an instrument has counted.
type Tally struct {
	Plans  int // runs of an operation, each with faults of its own
	States int // disks looked at after a cut
	Bad    int
	First  error // what was wrong with the first bad one
}

// found counts what is wrong, unless err is nil.
func (t *Tally) found(err error) {
	if err == nil {
		return
	}
	t.Bad++
	if t.First == nil {
		t.First = err
	}
}

// add counts what another has counted.
func (t *Tally) add(u Tally) {
	t.Plans += u.Plans
	t.States += u.States
	t.Bad += u.Bad
	if t.First == nil {
		t.First = u.First
	}
}
