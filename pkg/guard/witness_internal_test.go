package guard

import (
	"testing"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
)

// Each state of a pod is an event; a list at the resourceVersion comes before it.
func TestAPodWasNeverStartedOnlyIfItWasFollowedFromItsBeginning(t *testing.T) {
	at := func(resourceVersion string) func(*v1.Pod) {
		return func(p *v1.Pod) { p.ResourceVersion = resourceVersion }
	}
	waits := func(rv string) *v1.Pod { return build(oldUID, on("a"), at(rv)) }
	runs := func(rv string) *v1.Pod { return build(oldUID, on("a"), running, at(rv)) }
	// ends is what a kubelet leaves that could not locate any container.
	ends := func(rv string) *v1.Pod { return build(oldUID, on("a"), deleted(0), failed, at(rv)) }
	type event struct {
		list string
		pod  *v1.Pod
	}
	for name, tc := range map[string]struct {
		events []event
		live   *v1.Pod // as it is read; the last event's if nil
		// never started, or seen to be; neither: nobody knows.
		never, started bool
	}{
		"one that waits":                         {events: []event{{"9", waits("5")}}, never: true},
		"one that was followed to its end":       {events: []event{{"9", waits("5")}, {"", waits("10")}, {"", ends("11")}}, never: true},
		"one that was born after the list":       {events: []event{{"9", waits("10")}, {"", ends("11")}}, never: true},
		"one that ran":                           {events: []event{{"9", waits("5")}, {"", runs("10")}, {"", ends("11")}}, started: true},
		"one that ran when it was first seen":    {events: []event{{"9", runs("5")}, {"", ends("11")}}, started: true},
		"one that had ended when first seen":     {events: []event{{"9", ends("5")}}},
		"one that ended while nobody watched":    {events: []event{{"9", waits("5")}, {"12", ends("11")}}},
		"and is seen once more after that":       {events: []event{{"9", waits("5")}, {"12", ends("11")}, {"", ends("13")}}},
		"one that waited through a list":         {events: []event{{"9", waits("5")}, {"12", waits("11")}, {"", ends("13")}}, never: true},
		"one that ran before a list":             {events: []event{{"9", runs("5")}, {"12", ends("11")}}, started: true},
		"an old event that comes after the list": {events: []event{{"9", waits("5")}, {"12", waits("10")}, {"", ends("11")}}},
		"one whose last state is yet to come":    {events: []event{{"9", waits("5")}}, live: ends("11")},
		"one of whose state nothing is known":    {live: waits("5")},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWitness()
			live := tc.live
			for _, e := range tc.events {
				if e.list != "" {
					w.listedAt(e.list)
				}
				w.see(e.pod)
				if tc.live == nil {
					live = e.pod
				}
			}
			if never, started := w.neverStarted(live), w.started(oldUID); never != tc.never || started != tc.started {
				t.Errorf("never started: %t, started: %t; want %t, %t", never, started, tc.never, tc.started)
			}
		})
	}
}

func TestNothingIsFollowedWhileAListIsUnderWay(t *testing.T) {
	w := newWitness()
	w.listedAt("9")
	w.see(build(oldUID, on("a"), func(p *v1.Pod) { p.ResourceVersion = "5" }))
	w.listedAt("")
	ended := build(oldUID, on("a"), failed, func(p *v1.Pod) { p.ResourceVersion = "11" })
	w.see(ended)
	if w.neverStarted(ended) {
		t.Error("an end that came during a list counts as followed")
	}
}

func TestAListThatComesAsAStreamEndsWithItsBookmark(t *testing.T) {
	w := newWitness()
	for _, bookmark := range []*v1.Pod{
		{ObjectMeta: metav1.ObjectMeta{ResourceVersion: "7"}},
		{ObjectMeta: metav1.ObjectMeta{ResourceVersion: "9", Annotations: map[string]string{metav1.InitialEventsAnnotationKey: "true"}}},
		{ObjectMeta: metav1.ObjectMeta{ResourceVersion: "12"}},
	} {
		if _, keep := w.endOfList(watch.Event{Type: watch.Bookmark, Object: bookmark}); !keep {
			t.Error("a bookmark does not reach the informer")
		}
	}
	if w.listed != "9" {
		t.Errorf("the list is of %q, want 9", w.listed)
	}
}
