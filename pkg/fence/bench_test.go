package fence

import (
	"testing"
)

// confirmed is an incarnation whose kubelet has reported that it is over; silent is one
// of which nobody can say anything.
var (
	confirmed = Facts{Sight: SightLive, Containers: ContainersStopped, Bound: true, Deleting: true, Terminal: true, PhaseByKubelet: true, ContainerSeen: true}
	silent    = Facts{Sight: SightLive, Containers: ContainersRunning, Bound: true, Deleting: true, ContainerSeen: true}
)

// TestAReleaseAllocatesNothing: only the words of a hold do.
func TestAReleaseAllocatesNothing(t *testing.T) {
	released := 0
	for i, f := range allFacts() {
		if i%97 != 0 || !Judge(f).Release {
			continue
		}
		released++
		if n := testing.AllocsPerRun(1, func() { Judge(f) }); n > 0 {
			t.Fatalf("%+v: %.0f allocations", f, n)
		}
	}
	if released < 100 {
		t.Fatalf("%d of the cases are released: they say too little", released)
	}
}

func BenchmarkVerdict(b *testing.B) {
	for _, c := range []struct {
		name    string
		facts   Facts
		release bool
	}{{"release", confirmed, true}, {"hold", silent, false}} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if Judge(c.facts).Release != c.release {
					b.Fatal("wrong")
				}
			}
		})
	}
}
