package guard

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/holdfast-dev/holdfast/pkg/apis/holdfast/v1alpha1"
)

// restateAfter is after how long a guard says once more why it holds, if another one has
// said otherwise meanwhile. While two lead, as when one does not know yet that it no longer
// does, their watches may show different things: each would write over the other's words
// as soon as it saw them, for ever and as fast as the API server takes it. Two who repeat
// themselves so seldom write a record twelve times in an hour, which L3 allows.
const restateAfter = 10 * time.Minute

// saidMax bounds how many incarnations are remembered of which something was said. One
// that is forgotten is spoken of at once.
const saidMax = 16384

// said is what this guard has last said of incarnations that are held, and when.
type said struct {
	mu     sync.Mutex
	recent *recent[words]
}

type words struct {
	by, message string
	at          time.Time
}

func newSaid() *said { return &said{recent: newRecent[words](saidMax)} }

func (s *said) put(uid types.UID, w words) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.recent.put(uid, w)
}

// wait is how long not to say so: not at all unless the guard would repeat itself against
// another's words, and has last spoken a short while ago.
func (s *said) wait(uid types.UID, record *v1alpha1.Tenancy, by, message string, now time.Time) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	last, spoke := s.recent.get(uid)
	stands := heldCondition(record)
	switch {
	case !spoke || !wasHeld(record):
		return 0
	case last.by != by || last.message != message: // It is news.
		return 0
	case stands.Reason == by && stands.Message == message: // Nobody else spoke since.
		return 0
	}
	return max(0, last.at.Add(restateAfter).Sub(now))
}
