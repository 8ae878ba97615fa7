package world

import (
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// clock is what a machine takes the time of day for. How long things last it knows by
// another one, which never jumps (CLOCK_MONOTONIC), and which is the world's own. The
// zero value is right.
type clock struct {
	mu    sync.Mutex
	set   time.Time
	ahead time.Duration
	// gains is by how much it goes fast in a minute since it was set.
	gains time.Duration
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	return now.Add(c.ahead + time.Duration(now.Sub(c.set).Minutes()*float64(c.gains)))
}

func (c *clock) adjust(ahead, gains time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.set, c.ahead, c.gains = time.Now(), ahead, gains
}

// now is the time of day that the kubelet writes down.
func (k *kubelet) now() metav1.Time { return metav1.NewTime(k.machine.clock.now()) }
