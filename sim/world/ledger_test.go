package world

import (
	"fmt"
	"testing"

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
		"unmounted": {
			do:   func(l *ledger) { l.unmountsDisk(mount{"d", "a", "default", "p", "u"}) },
			want: "[]",
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
				l.mountsDisk(mount{"d", "b", "default", "p", "v"})
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
			l.mountsDisk(mount{"d", "a", "default", "p", "u"})
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

func TestLedgerRefusesASecondNodeForASingleNodeDisk(t *testing.T) {
	l := newLedger(nil)
	l.provisions(disk{handle: "one", accessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce}})
	l.provisions(disk{handle: "many", accessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteMany}})
	for _, try := range []struct {
		disk, node string
		wantErr    bool
	}{
		{"one", "a", false}, {"one", "a", false}, {"one", "b", true},
		{"many", "a", false}, {"many", "b", false}, {"none", "a", true},
	} {
		if err := l.attaches(try.disk, try.node); (err != nil) != try.wantErr {
			t.Errorf("%s to %s: %v", try.disk, try.node, err)
		}
	}
}

func TestLedgerTellsOfEveryVisibleChangeOnce(t *testing.T) {
	var told []string
	l := newLedger(func(s State) { told = append(told, fmt.Sprintf("%d/%d", len(s.Processes), len(s.Writers))) })
	p := Process{Namespace: "default", Pod: "p", PodUID: "u", Container: "c", Node: "a"}
	l.provisions(disk{handle: "d"})
	_ = l.attaches("d", "a")
	l.mountsDisk(mount{"d", "a", "default", "p", "u"})
	l.starts(p)
	l.starts(p)
	l.unmountsDisk(mount{"d", "a", "default", "p", "u"})
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
