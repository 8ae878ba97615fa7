package uninstall

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"github.com/holdfast-dev/holdfast/pkg/apis/holdfast/v1alpha1"
	"github.com/holdfast-dev/holdfast/pkg/cli/cluster"
	"github.com/holdfast-dev/holdfast/pkg/explain"
)

// ErrRefused: something speaks against it, and nothing more was done. What was done
// before stays done, and it may be started again.
var ErrRefused = errors.New("refused")

const (
	// attemptsMax is how often an object is read and written before somebody else who
	// writes it all the time counts as in the way.
	attemptsMax = 8
	// passesMax is how often the pods are gone through: a pod may have got the
	// finalizer while the policies and the scheduler went.
	passesMax = 3
	// progressEvery is how often long work says how far it is.
	progressEvery = 2 * time.Second
)

// Options are what a removal needs to know.
type Options struct {
	// Ignore has the words by which refusals are passed over.
	Ignore []string
	// Wait is how long each thing that must end by itself is waited for.
	Wait time.Duration
	// Out is told what is done.
	Out io.Writer
}

// removal is one that is under way.
type removal struct {
	*cluster.Cluster
	Options
	plan *Plan
}

// Run carries the plan out. The order is what makes it safe:
//
//  1. The policies, for they would give the finalizer to pods that come after it.
//  2. Scheduler and guard, for the scheduler would do the same, and the guard would
//     put back what is taken off. A second one that runs elsewhere is found out by its
//     lease.
//  3. The finalizers: only now does a pod that loses its own stay without.
//  4. The records, of which no pod is in need any more.
//  5. All the rest.
func Run(ctx context.Context, c *cluster.Cluster, p *Plan, o Options) error {
	if refused := p.Refused(o.Ignore); len(refused) > 0 {
		return fmt.Errorf("%w: %d of what is named above", ErrRefused, len(refused))
	}
	r := &removal{c, o, p}
	for _, step := range []struct {
		does string
		do   func(context.Context) error
	}{
		{"1/5 admission policies", r.removePolicies},
		{"2/5 scheduler and guard", r.stop},
		{"3/5 finalizers", r.letGo},
		{"4/5 records", r.removeRecords},
		{"5/5 the rest", r.removeRest},
	} {
		r.say("%s", step.does)
		if err := step.do(ctx); err != nil {
			return fmt.Errorf("%s: %w", step.does, err)
		}
	}
	return nil
}

func (r *removal) say(format string, args ...any) { fmt.Fprintf(r.Out, format+"\n", args...) }

func (r *removal) removeAll(ctx context.Context, objects []object) error {
	for _, o := range objects {
		if err := remove(ctx, r.Cluster, o); err != nil {
			return err
		}
		r.say("    removed %s", o)
	}
	return nil
}

func (r *removal) removePolicies(ctx context.Context) error {
	return r.removeAll(ctx, r.plan.policies)
}

// stop removes the Deployment and returns when nothing of it runs any more. Then it
// looks again at what is held: much may have happened since the plan was made.
func (r *removal) stop(ctx context.Context) error {
	if err := r.removeAll(ctx, r.plan.schedulers); err != nil {
		return err
	}
	renewals := map[string]renewal{}
	err := until(ctx, r.Wait, func(ctx context.Context) (string, error) { return r.runs(ctx, renewals) })
	if err != nil {
		return err
	}
	if err := r.plan.look(ctx, r.Cluster); err != nil {
		return err
	}
	if held := r.plan.held(); held != nil && !slices.Contains(r.Ignore, HeldIdentities) {
		return fmt.Errorf("%w, since Holdfast was stopped: %s. Install it again, or go on with --ignore=%s: %s",
			ErrRefused, held.Text, HeldIdentities, strings.Join(some(held.Objects), "; "))
	}
	return nil
}

// renewal is the last renewal of a lease that was seen, and when it was seen first.
// The clocks of holder and reader are not compared.
type renewal struct {
	at   metav1.MicroTime
	seen time.Time
}

// runs says what of Holdfast still runs; empty: nothing.
func (r *removal) runs(ctx context.Context, renewals map[string]renewal) (string, error) {
	pods, err := r.Kube.CoreV1().Pods(Namespace).List(ctx, metav1.ListOptions{LabelSelector: PartOf})
	if err != nil {
		return "", fmt.Errorf("pods of %s: %w", Namespace, err)
	}
	for _, pod := range pods.Items {
		return "pods/" + pod.Name, nil
	}
	for _, name := range Leases {
		lease, err := r.Kube.CoordinationV1().Leases(Namespace).Get(ctx, name, metav1.GetOptions{})
		switch {
		case apierrors.IsNotFound(err):
			continue
		case err != nil:
			return "", fmt.Errorf("leases/%s: %w", name, err)
		}
		if holder := holderOf(lease, renewals); holder != "" {
			return fmt.Sprintf("leases/%s, which %s holds: a Holdfast that runs outside of the Deployment must be stopped by hand", name, holder), nil
		}
	}
	return "", nil
}

// holderOf is who holds the lease: until it was not renewed for as long as it lasts.
func holderOf(lease *coordinationv1.Lease, renewals map[string]renewal) string {
	holder := ptr.Deref(lease.Spec.HolderIdentity, "")
	at := ptr.Deref(lease.Spec.RenewTime, metav1.MicroTime{})
	last, known := renewals[lease.Name]
	if !known || !last.at.Equal(&at) {
		last = renewal{at, time.Now()}
		renewals[lease.Name] = last
	}
	if time.Since(last.seen) > time.Duration(ptr.Deref(lease.Spec.LeaseDurationSeconds, 0))*time.Second {
		return ""
	}
	return holder
}

// letGo takes the finalizer off every pod.
func (r *removal) letGo(ctx context.Context) error {
	done := 0
	for range passesMax {
		if len(r.plan.guarded) == 0 {
			r.say("    taken off %d pods", done)
			return nil
		}
		progress := r.progress("pods", len(r.plan.guarded))
		for _, key := range r.plan.guarded {
			if err := r.letPodGo(ctx, key); err != nil {
				return err
			}
			done++
			progress()
		}
		if err := r.plan.look(ctx, r.Cluster); err != nil {
			return err
		}
	}
	if len(r.plan.guarded) > 0 {
		return fmt.Errorf("%d pods have the finalizer again, the first is %s: somebody sets it", len(r.plan.guarded), r.plan.guarded[0])
	}
	r.say("    taken off %d pods", done)
	return nil
}

// progress returns a function that counts, and says now and then how far it is.
func (r *removal) progress(what string, of int) func() {
	done, last := 0, time.Now()
	return func() {
		if done++; time.Since(last) > progressEvery {
			last = time.Now()
			r.say("    %d of %d %s", done, of, what)
		}
	}
}

// letPodGo takes the finalizer off the very object that was judged: where somebody
// wrote it since, it is read and judged again.
func (r *removal) letPodGo(ctx context.Context, key types.NamespacedName) error {
	facts := r.plan.read.Facts(key)
	pod := facts.Pod
	for range attemptsMax {
		if pod == nil || !slices.Contains(pod.Finalizers, v1alpha1.PodFinalizer) {
			return nil
		}
		facts.Pod = pod
		if why := explain.LetsTwoRun(facts); why != "" && !slices.Contains(r.Ignore, HeldIdentities) {
			return fmt.Errorf("%w: %s: %s", ErrRefused, key, why)
		}
		_, err := r.Kube.CoreV1().Pods(key.Namespace).Patch(ctx, key.Name, types.MergePatchType, without(&pod.ObjectMeta, v1alpha1.PodFinalizer), metav1.PatchOptions{})
		if err == nil || apierrors.IsNotFound(err) {
			return nil
		}
		if !apierrors.IsConflict(err) {
			return fmt.Errorf("pod %s: %w", key, err)
		}
		if pod, err = r.Kube.CoreV1().Pods(key.Namespace).Get(ctx, key.Name, metav1.GetOptions{}); err != nil {
			if apierrors.IsNotFound(err) {
				return nil
			}
			return fmt.Errorf("pod %s: %w", key, err)
		}
	}
	return fmt.Errorf("pod %s: somebody else wrote it %d times in a row", key, attemptsMax)
}

// without is the merge patch that takes one finalizer off exactly this object.
func without(o *metav1.ObjectMeta, finalizer string) []byte {
	finalizers := slices.DeleteFunc(slices.Clone(o.Finalizers), func(f string) bool { return f == finalizer })
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{
		"uid": o.UID, "resourceVersion": o.ResourceVersion, "finalizers": finalizers,
	}})
	if err != nil {
		panic(err) // Strings can always be written.
	}
	return patch
}

// removeRecords removes all records, and waits for none: no finalizer holds them.
func (r *removal) removeRecords(ctx context.Context) error {
	progress := r.progress("records", len(r.plan.read.Records))
	for key, record := range r.plan.read.Records {
		if err := r.removeRecord(ctx, key, record); err != nil {
			return err
		}
		progress()
	}
	r.say("    removed %d records", len(r.plan.read.Records))
	return nil
}

func (r *removal) removeRecord(ctx context.Context, key types.NamespacedName, record *v1alpha1.Tenancy) error {
	records := r.Records.HoldfastV1alpha1().Tenancies(key.Namespace)
	for range attemptsMax {
		var err error
		if slices.Contains(record.Finalizers, v1alpha1.TenancyFinalizer) {
			_, err = records.Patch(ctx, key.Name, types.MergePatchType, without(&record.ObjectMeta, v1alpha1.TenancyFinalizer), metav1.PatchOptions{})
		}
		if err == nil {
			err = records.Delete(ctx, key.Name, metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &record.UID}})
		}
		if err == nil || apierrors.IsNotFound(err) {
			return nil
		}
		if !apierrors.IsConflict(err) {
			return fmt.Errorf("tenancy %s: %w", key, err)
		}
		if record, err = records.Get(ctx, key.Name, metav1.GetOptions{}); err != nil {
			if apierrors.IsNotFound(err) {
				return nil
			}
			return fmt.Errorf("tenancy %s: %w", key, err)
		}
	}
	return fmt.Errorf("tenancy %s: somebody else wrote it %d times in a row", key, attemptsMax)
}

// removeRest removes what is left. The definition takes every record with it that
// came since, and is waited for; the namespace's end is left to its controller.
func (r *removal) removeRest(ctx context.Context) error {
	if err := r.removeAll(ctx, r.plan.definition); err != nil {
		return err
	}
	err := until(ctx, r.Wait, func(ctx context.Context) (string, error) {
		left, err := named(ctx, r.Cluster, definitions, crdName)
		if err != nil || len(left) == 0 {
			return "", err
		}
		return listed(left), nil
	})
	if err != nil {
		return err
	}
	// Read again: a lease may have been renewed, and with it made anew, until the stop.
	again, err := markAndLeases(ctx, r.Cluster)
	if err != nil {
		return err
	}
	if err := r.removeAll(ctx, slices.Concat(again, r.plan.rest)); err != nil {
		return err
	}
	if len(r.plan.namespace) == 0 {
		return nil
	}
	if r.plan.strangers, err = strangers(ctx, r.Cluster, nil); err != nil {
		return err
	}
	if len(r.plan.strangers) > 0 {
		r.say("    kept namespaces/%s, for not all in it is Holdfast's: %s", Namespace, strings.Join(some(r.plan.strangers), ", "))
		return nil
	}
	return r.removeAll(ctx, r.plan.namespace)
}
