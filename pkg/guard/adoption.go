package guard

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/wait"
	coreinformers "k8s.io/client-go/informers/core/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"
)

const (
	// AdoptionMark is the name of the ConfigMap that says that every pod that was
	// bound when Holdfast arrived is on the record. Without it no replacement may be
	// bound: its predecessor could be one that nobody has written down yet.
	AdoptionMark = "holdfast-adoption"
	// adoptedSince is its entry of when that was first so, in RFC 3339.
	adoptedSince = "since"
	// adoptedProfiles is its entry of whose pods they are: a line for each profile, with
	// what decides which of its pods are guarded. A profile that is added later, or that
	// comes to guard more, waits for a pass of its own. So does every profile where the
	// entry is missing, as in a mark of before there was one: a pass takes seconds, and
	// nobody knows whom that one was for.
	adoptedProfiles = "profiles"
	// markRetry is how long after a refusal the mark is written again.
	markRetry = 5 * time.Second
)

// adoption is the first pass over the pods that ran before Holdfast came.
type adoption struct {
	// marked is closed when a mark that names the guard's profiles is seen in the API.
	marked chan struct{}
	mark   sync.Once
	// passed is closed when every pod of the first list was reconciled.
	passed chan struct{}
	pass   sync.Once

	mu sync.Mutex
	// due are the identities of the first list that were not reconciled yet; nil
	// before the pass begins.
	due sets.Set[types.NamespacedName]
}

func newAdoption() *adoption {
	return &adoption{marked: make(chan struct{}), passed: make(chan struct{})}
}

// begin starts the pass over these identities.
func (a *adoption) begin(due []types.NamespacedName) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.due = sets.New(due...)
	if len(a.due) == 0 {
		a.pass.Do(func() { close(a.passed) })
	}
}

// done notes that an identity was reconciled without an error.
func (a *adoption) done(key types.NamespacedName) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.due.Has(key) {
		return
	}
	a.due.Delete(key)
	if len(a.due) == 0 {
		a.pass.Do(func() { close(a.passed) })
	}
}

// isMarked reports whether the mark was seen.
func (a *adoption) isMarked() bool {
	select {
	case <-a.marked:
		return true
	default:
		return false
	}
}

// onRecord reports whether the watches have the pod of that name on the record: it
// is adopted, whatever else is still to be done for it.
func (g *Guard) onRecord(key types.NamespacedName) bool {
	pod, record := g.cachedPod(key), g.cachedRecord(key)
	return pod != nil && record != nil && isIncarnation(record, pod)
}

// Adopted is closed once every pod that was bound when Holdfast came to the cluster,
// or the profile to Holdfast, is on the record, by whichever replica. Until then no
// pod of the profile may be placed.
func (g *Guard) Adopted() <-chan struct{} { return g.adoption.marked }

// markInformer watches for the mark.
func (g *Guard) markInformer() (cache.SharedIndexInformer, error) {
	informer := coreinformers.NewFilteredConfigMapInformer(g.kube, g.namespace, 0, nil, func(o *metav1.ListOptions) {
		o.FieldSelector = fields.OneTermEqualSelector(metav1.ObjectNameField, AdoptionMark).String()
	})
	seen := func(obj any) {
		if mark, ok := obj.(*v1.ConfigMap); ok && covers(mark, g.adoptees()) {
			g.adoption.mark.Do(func() { close(g.adoption.marked) })
		}
	}
	_, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: seen, UpdateFunc: func(_, obj any) { seen(obj) },
	})
	return informer, err
}

// everyProfile stands in the mark for a guard that minds every profile.
const everyProfile = "*"

// adoptees are the profiles as the mark has them, by name.
func (g *Guard) adoptees() map[string]string {
	words := []string{string(g.args.Protect)}
	for _, kind := range g.args.Controllers {
		words = append(words, kind.Group+"/"+kind.Kind)
	}
	guards := strings.Join(words, " ")
	if len(g.profiles) == 0 {
		return map[string]string{everyProfile: guards}
	}
	of := map[string]string{}
	for name := range g.profiles {
		of[name] = guards
	}
	return of
}

// covers reports whether the mark names all of the profiles, as they are.
func covers(mark *v1.ConfigMap, profiles map[string]string) bool {
	adopted := adoptedIn(mark)
	for name, guards := range profiles {
		if adopted[name] != guards && adopted[everyProfile] != guards {
			return false
		}
	}
	return true
}

// adoptedIn are the profiles that the mark names.
func adoptedIn(mark *v1.ConfigMap) map[string]string {
	of := map[string]string{}
	for line := range strings.Lines(mark.Data[adoptedProfiles]) {
		if name, guards, ok := strings.Cut(strings.TrimSpace(line), ": "); ok {
			of[name] = guards
		}
	}
	return of
}

// withAdopted returns the mark with the profiles added, where there is none a new one.
func withAdopted(mark *v1.ConfigMap, profiles map[string]string, now time.Time) *v1.ConfigMap {
	next := mark.DeepCopy()
	if next.Data == nil {
		next.Data = map[string]string{}
	}
	if next.Data[adoptedSince] == "" {
		next.Data[adoptedSince] = now.UTC().Format(time.RFC3339)
	}
	all := adoptedIn(mark)
	maps.Copy(all, profiles)
	var lines strings.Builder
	for _, name := range slices.Sorted(maps.Keys(all)) {
		fmt.Fprintf(&lines, "%s: %s\n", name, all[name])
	}
	next.Data[adoptedProfiles] = lines.String()
	return next
}

// adopt makes the first pass, and sets the mark when it is done. It returns when
// the mark is set, which may have been long ago, or when ctx ends.
func (g *Guard) adopt(ctx context.Context) {
	if g.adoption.isMarked() {
		return
	}
	var due []types.NamespacedName
	for _, obj := range g.pods.GetStore().List() {
		if pod, ok := obj.(*v1.Pod); ok && pod.Spec.NodeName != "" && g.minds(pod) {
			due = append(due, keyOf(pod))
		}
	}
	// In this order: what is reconciled before the pass begins does not count for it.
	g.adoption.begin(due)
	for _, key := range due {
		g.queue.Add(key)
	}
	select {
	case <-g.adoption.passed:
	case <-ctx.Done():
		return
	}
	_ = wait.PollUntilContextCancel(ctx, markRetry, true, func(ctx context.Context) (bool, error) {
		err := g.setMark(ctx)
		if err != nil {
			klog.FromContext(ctx).Error(err, "The mark of adoption is not set; no pod of the profile is placed until it is")
		} else {
			klog.FromContext(ctx).V(2).Info("Every pod that was here is on the record")
		}
		return err == nil, nil
	})
}

// setMark adds the guard's profiles to the mark.
func (g *Guard) setMark(ctx context.Context) error {
	marks := g.kube.CoreV1().ConfigMaps(g.namespace)
	mark, err := marks.Get(ctx, AdoptionMark, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		mark = &v1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: g.namespace, Name: AdoptionMark}}
		_, err = marks.Create(ctx, withAdopted(mark, g.adoptees(), g.clock.Now()), metav1.CreateOptions{FieldManager: fieldManager})
	case err == nil && !covers(mark, g.adoptees()):
		_, err = marks.Update(ctx, withAdopted(mark, g.adoptees(), g.clock.Now()), metav1.UpdateOptions{FieldManager: fieldManager})
	}
	if err != nil {
		return fmt.Errorf("config map %s/%s: %w", g.namespace, AdoptionMark, err)
	}
	return nil
}
