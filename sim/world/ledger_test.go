package world

import (
	"fmt"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	corev1 "k8s.io/api/core/v1"
)

func TestLedgerWriters(t *testing.T) {
	tests := map[string]struct {
		fences bool
		do     func(*ledger)
		want   string
	}{
		"mounted, attached and running": {
			do:   func(l *ledger) {},
			want: "[d on a]",
		},
		"no process, no writer": {
			do:   func(l *ledger) { l.ends("a", "u") },
			want: "[]",
		},
		"unmounted under a running container, which has a mount namespace of its own": {
			do:   func(l *ledger) { l.unmountsDisk(mount{"d", "a", "default", "p", "u", false}) },
			want: "[d on a]",
		},
		"unmounted, stopped, and started again without a mount": {
			do: func(l *ledger) {
				l.unmountsDisk(mount{"d", "a", "default", "p", "u", false})
				l.ends("a", "u")
				l.starts(Process{Namespace: "default", Pod: "p", PodUID: "u", Container: "c", Node: "a"})
			},
			want: "[]",
		},
		"the machine has lost its mounts, those in mount namespaces too": {
			do: func(l *ledger) {
				l.mountsDisk(mount{"d", "a", "default", "q", "w", false})
				l.unmountsDisk(mount{"d", "a", "default", "p", "u", false})
				l.losesMounts("a")
			},
			want: "[]",
		},
		"another machine has lost its mounts": {
			do:   func(l *ledger) { l.losesMounts("b") },
			want: "[d on a]",
		},
		"a second pod that only reads": {
			do: func(l *ledger) {
				l.mountsDisk(mount{"d", "a", "default", "q", "w", true})
				l.starts(Process{Namespace: "default", Pod: "q", PodUID: "w", Container: "c", Node: "a"})
			},
			want: "[d on a]",
		},
		"a detach that fences cuts the writes off": {
			fences: true,
			do:     func(l *ledger) { l.detaches("d", "a") },
			want:   "[]",
		},
		"a detach that does not fence leaves the mount its path": {
			do:   func(l *ledger) { l.detaches("d", "a") },
			want: "[d on a]",
		},
		"and a second node then writes too": {
			do: func(l *ledger) {
				l.detaches("d", "a")
				_ = l.attaches("d", "b")
				l.mountsDisk(mount{"d", "b", "default", "p", "v", false})
				l.starts(Process{Namespace: "default", Pod: "p", PodUID: "v", Container: "c", Node: "b"})
			},
			want: "[d on a d on b]",
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			l := newLedger(nil)
			l.provisions(disk{handle: "d", accessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce}, class: ClassSpec{DetachFences: tc.fences}})
			if err := l.attaches("d", "a"); err != nil {
				t.Fatal(err)
			}
			l.mountsDisk(mount{"d", "a", "default", "p", "u", false})
			l.starts(Process{Namespace: "default", Pod: "p", PodUID: "u", Container: "c", Node: "a"})
			tc.do(l)
			got := []string{}
			for _, w := range l.state().Writers {
				got = append(got, w.Disk+" on "+w.Node)
			}
			if fmt.Sprint(got) != tc.want {
				t.Errorf("got %v, want %v", got, tc.want)
			}
		})
	}
}

func TestLedgerRefusesWithTheCodesOfCSI(t *testing.T) {
	l := newLedger(nil)
	l.attachLimits["c"] = 1
	l.provisions(disk{handle: "one", accessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce}})
	l.provisions(disk{handle: "many", accessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteMany}})
	for _, try := range []struct {
		disk, node string
		want       codes.Code
	}{
		{"one", "a", codes.OK}, {"one", "a", codes.OK}, {"one", "b", codes.FailedPrecondition},
		{"many", "a", codes.OK}, {"many", "c", codes.OK}, {"many", "c", codes.OK}, {"none", "a", codes.NotFound},
	} {
		if err := l.attaches(try.disk, try.node); status.Code(err) != try.want {
			t.Errorf("%s to %s: %v, want code %s", try.disk, try.node, err, try.want)
		}
	}
	l.detaches("one", "a")
	if err := l.attaches("one", "c"); status.Code(err) != codes.ResourceExhausted {
		t.Errorf("a second disk on a node for one: %v", err)
	}
	l.detaches("many", "c")
	if err := l.attaches("one", "c"); err != nil {
		t.Errorf("the only disk on a node for one: %v", err)
	}
}

// What is not attached is never cut off, whatever the class says of a detach.
func TestLedgerNeverFencesWhatIsNotAttached(t *testing.T) {
	for name, class := range map[string]ClassSpec{
		"a disk of a node":           {Topology: Node, DetachFences: true},
		"a disk anywhere":            {Topology: Anywhere, DetachFences: true},
		"an unattached disk of zone": {Topology: Zone, Unattached: true, DetachFences: true},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLedger(nil)
			l.provisions(disk{handle: "d", class: class})
			l.mountsDisk(mount{"d", "a", "default", "p", "u", false})
			l.starts(Process{PodUID: "u", Node: "a"})
			l.detaches("d", "a")
			if got := len(l.state().Writers); got != 1 {
				t.Errorf("%d writers, want 1", got)
			}
		})
	}
}

func TestLedgerTellsOfEveryVisibleChangeOnce(t *testing.T) {
	var told []string
	l := newLedger(func(s State) { told = append(told, fmt.Sprintf("%d/%d", len(s.Processes), len(s.Writers))) })
	p := Process{Namespace: "default", Pod: "p", PodUID: "u", Container: "c", Node: "a"}
	l.provisions(disk{handle: "d"})
	_ = l.attaches("d", "a")
	l.mountsDisk(mount{"d", "a", "default", "p", "u", false})
	l.starts(p)
	l.starts(p)
	l.losesMounts("a")
	l.unmountsDisk(mount{"d", "a", "default", "p", "u", false})
	l.ends("a", "u")
	l.ends("a", "u")
	if got, want := fmt.Sprint(told), "[1/1 1/0 0/0]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestLedgerSortsWhatItTells(t *testing.T) {
	l := newLedger(nil)
	for _, p := range []Process{{Namespace: "b", Pod: "x"}, {Namespace: "a", Pod: "y", Node: "2"}, {Namespace: "a", Pod: "y", Node: "1"}, {Namespace: "a", Pod: "x", Node: "3"}} {
		p.PodUID, p.Container = "u", p.Namespace+p.Pod
		l.starts(p)
	}
	got := []string{}
	for _, p := range l.state().Processes {
		got = append(got, p.Namespace+p.Pod+p.Node)
	}
	if want := "[ax3 ay1 ay2 bx]"; fmt.Sprint(got) != want {
		t.Errorf("got %v, want %s", got, want)
	}
}
