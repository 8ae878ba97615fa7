package etcdmem

import (
	"slices"
	"strings"
)

// record is one version of a key. It is never changed once made, so it may be read
// without the lock.
type record struct {
	key     string
	value   []byte
	create  int64 // revision of the put that brought the key into being
	mod     int64 // revision of this version
	version int64 // puts since create, counting this one; 0 for a tombstone
	lease   int64
	deleted bool // a tombstone: it says that the key is gone since mod
}

func (r *record) bytes() int64 { return int64(len(r.key)+len(r.value)) + recordBytes }

// change is what one revision did to one key; before is nil if the key was not there,
// or if what it was has been compacted.
type change struct {
	now, before *record
}

// keyRange is [from, to), or everything from "from" on if it is open.
type keyRange struct {
	from, to string
	open     bool
}

// rangeOf reads a key and a range end as etcd encodes them: no end is the key
// alone, an end of one zero byte is no end at all.
func rangeOf(key, end string) keyRange {
	switch end {
	case "":
		return keyRange{from: key, to: key + "\x00"}
	case "\x00":
		return keyRange{from: key, open: true}
	default:
		return keyRange{from: key, to: end}
	}
}

func (r keyRange) contains(key string) bool {
	return key >= r.from && (r.open || key < r.to)
}

// history is the store's state: every version of every key since the last
// compaction, and the log of changes in order of revision.
//
//	          compacted                revision
//	              |                        |
//	----.....-----v------------------------v---- revisions
//	    gone      readable, and in the log    (puts and removes collect here: commit)
//
// Writes take effect at once for reads at head, and become a revision by commit.
// There is no rollback: whoever writes has checked before.
type history struct {
	revision  int64
	compacted int64 // nothing before it can be read; -1 if never compacted
	keys      []*keyHistory
	log       []change // from revision compacted on
	committed int      // log[committed:] waits for commit
	bytes     int64
}

// keyHistory is the versions of one key, oldest first; there is at least one.
type keyHistory struct {
	key      string
	versions []*record
}

func newHistory() *history { return &history{revision: 1, compacted: -1} }

// head is the newest revision that can be read: the one being written, if any.
func (h *history) head() int64 {
	if len(h.log) > h.committed {
		return h.revision + 1
	}
	return h.revision
}

func (h *history) find(key string) (int, bool) {
	return slices.BinarySearchFunc(h.keys, key, func(k *keyHistory, key string) int {
		return strings.Compare(k.key, key)
	})
}

// at is the version that was valid at the revision; nil if there was none.
func (k *keyHistory) at(revision int64) *record {
	// From the end: nearly every read is of the newest version.
	for _, r := range slices.Backward(k.versions) {
		if r.mod <= revision {
			if r.deleted {
				return nil
			}
			return r
		}
	}
	return nil
}

// scan calls visit for each key of the range that was there at the revision, in
// order of keys.
func (h *history) scan(r keyRange, revision int64, visit func(*record)) {
	i, _ := h.find(r.from)
	for ; i < len(h.keys) && r.contains(h.keys[i].key); i++ {
		if rec := h.keys[i].at(revision); rec != nil {
			visit(rec)
		}
	}
}

// put writes a version of the key and returns what it replaces, nil if nothing.
// The value becomes the store's own.
func (h *history) put(key string, value []byte, lease int64) (before *record) {
	i, known := h.find(key)
	if !known {
		h.keys = slices.Insert(h.keys, i, &keyHistory{key: key})
	}
	k := h.keys[i]
	before = k.at(h.head())
	now := &record{key: k.key, value: value, mod: h.revision + 1, create: h.revision + 1, version: 1, lease: lease}
	if before != nil {
		now.create, now.version = before.create, before.version+1
	}
	h.append(k, change{now: now, before: before})
	return before
}

// remove writes a tombstone and returns what it removes; nil, and nothing is
// written, if the key is not there.
func (h *history) remove(key string) (before *record) {
	i, known := h.find(key)
	if !known {
		return nil
	}
	k := h.keys[i]
	before = k.at(h.head())
	if before != nil {
		h.append(k, change{now: &record{key: k.key, mod: h.revision + 1, deleted: true}, before: before})
	}
	return before
}

func (h *history) append(k *keyHistory, c change) {
	k.versions = append(k.versions, c.now)
	h.log = append(h.log, c)
	h.bytes += c.now.bytes()
}

// commit makes one revision of what was written since the last one and returns it.
// If nothing was written there is no new revision.
func (h *history) commit() []change {
	h.revision = h.head()
	changes := h.log[h.committed:]
	h.committed = len(h.log)
	return changes
}

// since is the part of the log from the revision on.
func (h *history) since(revision int64) []change {
	i, _ := slices.BinarySearchFunc(h.log, revision, func(c change, revision int64) int {
		return int(c.now.mod - revision)
	})
	return h.log[i:]
}

// compact forgets what only reads before the revision could see. The log keeps the
// revision itself, so that a watch may start there; but what was there before it is
// gone, and such a watch is not told.
func (h *history) compact(revision int64) {
	// Only a key that changed since the last compaction has something to forget, and
	// each such change is in the log.
	passed := h.log[:len(h.log)-len(h.since(revision+1))]
	emptied := false
	for _, c := range passed {
		i, ok := h.find(c.now.key)
		if !ok {
			continue // Emptied by an earlier compaction, which keeps its own revision in the log.
		}
		emptied = h.trim(h.keys[i], revision) || emptied
	}
	if emptied {
		h.keys = slices.DeleteFunc(h.keys, func(k *keyHistory) bool { return len(k.versions) == 0 })
	}
	for i := range passed {
		passed[i].before = nil
	}
	h.log = slices.Delete(h.log, 0, len(h.log)-len(h.since(revision)))
	h.committed = len(h.log)
	h.compacted = revision
}

// trim drops the versions of the key that are out of sight from the revision on,
// and says whether none is left.
func (h *history) trim(k *keyHistory, revision int64) (empty bool) {
	drop := 0
	for drop+1 < len(k.versions) && k.versions[drop+1].mod <= revision {
		drop++
	}
	if drop < len(k.versions) && k.versions[drop].deleted && k.versions[drop].mod <= revision {
		drop++ // A tombstone says no more than absence does.
	}
	for _, r := range k.versions[:drop] {
		h.bytes -= r.bytes()
	}
	k.versions = slices.Delete(k.versions, 0, drop)
	return len(k.versions) == 0
}
