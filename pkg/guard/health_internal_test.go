package guard

import (
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"
	clocktesting "k8s.io/utils/clock/testing"
)

func TestGuardIsStuckWhenOneIdentityTakesTooLong(t *testing.T) {
	clock := clocktesting.NewFakePassiveClock(start)
	g := &Guard{clock: clock}
	if err := g.Stuck(); err != nil {
		t.Errorf("idle: %v", err)
	}
	done := g.underWay.begin(types.NamespacedName{Namespace: "shop", Name: "web-0"}, clock.Now())
	clock.SetTime(start.Add(stuckAfter))
	g.underWay.begin(types.NamespacedName{Namespace: "shop", Name: "web-1"}, clock.Now())
	if err := g.Stuck(); err != nil {
		t.Errorf("in time: %v", err)
	}
	clock.SetTime(start.Add(stuckAfter + time.Second))
	if err := g.Stuck(); err == nil || !strings.Contains(err.Error(), "shop/web-0") {
		t.Errorf("got %v, want the name of the identity that takes too long", err)
	}
	done()
	if err := g.Stuck(); err != nil {
		t.Errorf("done with: %v", err)
	}
}

func TestGuardIsSyncedOnceItWatches(t *testing.T) {
	g := &Guard{}
	if g.Synced() == nil {
		t.Error("synced before it watches")
	}
	g.watches.Store(true)
	if err := g.Synced(); err != nil {
		t.Error(err)
	}
}
