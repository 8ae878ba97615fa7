package cluster

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	v1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"

	"github.com/holdfast-dev/holdfast/pkg/apis/holdfast/v1alpha1"
	"github.com/holdfast-dev/holdfast/pkg/explain"
	"github.com/holdfast-dev/holdfast/pkg/fence"
	"github.com/holdfast-dev/holdfast/pkg/identity"
)

// eventsMax is how many events of an ordinal are shown, the newest.
const eventsMax = 10

// Ordinal is an ordinal with what was read about it.
type Ordinal struct {
	ID identity.Identity
	explain.Facts
}

// Detail is an ordinal with what stands around it.
type Detail struct {
	Ordinal
	// Attachments are those of the volumes that the latest incarnation uses.
	Attachments []storagev1.VolumeAttachment
	// Events are the newest about its pods, the oldest of them first.
	Events []v1.Event
	// Unread says what could not be read, and why.
	Unread []string
}

// Read is all records and all pods of a namespace, or of all.
type Read struct {
	// Records is nil where the API server knows no tenancies.
	Records map[types.NamespacedName]*v1alpha1.Tenancy
	Pods    map[types.NamespacedName]*v1.Pod
	// PodsRead is false where pods may not be read.
	PodsRead bool
}

// Facts are what was read of the ordinal that has the name.
func (r *Read) Facts(key types.NamespacedName) explain.Facts {
	return explain.Facts{Record: r.Records[key], Pod: r.Pods[key], PodsRead: r.PodsRead}
}

// Everything reads the records, and then the pods: a pod that is found has its record
// among those read, unless it is new.
func (c *Cluster) Everything(ctx context.Context, namespace string) (*Read, error) {
	r := &Read{Records: map[types.NamespacedName]*v1alpha1.Tenancy{}, Pods: map[types.NamespacedName]*v1.Pod{}, PodsRead: true}
	err := Each(ctx, func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
		return c.Records.HoldfastV1alpha1().Tenancies(namespace).List(ctx, o)
	}, metav1.ListOptions{}, func(record *v1alpha1.Tenancy) {
		r.Records[types.NamespacedName{Namespace: record.Namespace, Name: record.Name}] = record
	})
	switch {
	case Unserved(err):
		r.Records = nil
	case err != nil:
		return nil, Explain(err)
	}
	err = Each(ctx, func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
		return c.Kube.CoreV1().Pods(namespace).List(ctx, o)
	}, metav1.ListOptions{}, func(pod *v1.Pod) {
		r.Pods[types.NamespacedName{Namespace: pod.Namespace, Name: pod.Name}] = pod
	})
	if apierrors.IsForbidden(err) {
		r.PodsRead = false
		return r, nil
	}
	return r, err
}

// Ordinals lists the ordinals of a namespace, of all if it is empty: those with a
// record, and those whose pod carries the guard's finalizer and has none yet. A
// selector picks those whose set, or whose pod, has the labels: the pod of a held
// ordinal may be gone.
func (c *Cluster) Ordinals(ctx context.Context, namespace string, selector labels.Selector) ([]Ordinal, error) {
	read, err := c.Everything(ctx, namespace)
	switch {
	case err != nil:
		return nil, err
	case read.Records == nil:
		return nil, errNotInstalled
	}
	picked, err := c.picked(ctx, namespace, selector)
	if err != nil {
		return nil, err
	}
	var ordinals []Ordinal
	add := func(key types.NamespacedName) {
		f := read.Facts(key)
		if id, named := identity.Named(key.Namespace, key.Name); named && picked(id, f.Pod) {
			ordinals = append(ordinals, Ordinal{id, f})
		}
	}
	for key := range read.Records {
		add(key)
	}
	for key, pod := range read.Pods {
		if read.Records[key] == nil && slices.Contains(pod.Finalizers, v1alpha1.PodFinalizer) {
			add(key)
		}
	}
	slices.SortFunc(ordinals, func(a, b Ordinal) int {
		return cmp.Or(strings.Compare(a.ID.Namespace, b.ID.Namespace), strings.Compare(a.ID.Set, b.ID.Set), cmp.Compare(a.ID.Ordinal, b.ID.Ordinal))
	})
	return ordinals, nil
}

// picked returns what a selector picks.
func (c *Cluster) picked(ctx context.Context, namespace string, selector labels.Selector) (func(identity.Identity, *v1.Pod) bool, error) {
	if selector == nil || selector.Empty() {
		return func(identity.Identity, *v1.Pod) bool { return true }, nil
	}
	sets := map[types.NamespacedName]bool{}
	err := Each(ctx, func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
		return c.Kube.AppsV1().StatefulSets(namespace).List(ctx, o)
	}, metav1.ListOptions{}, func(set *appsv1.StatefulSet) {
		sets[types.NamespacedName{Namespace: set.Namespace, Name: set.Name}] =
			selector.Matches(labels.Set(set.Labels)) || selector.Matches(labels.Set(set.Spec.Template.Labels))
	})
	if err != nil {
		return nil, fmt.Errorf("the sets that have the labels: %w", err)
	}
	return func(id identity.Identity, pod *v1.Pod) bool {
		return sets[types.NamespacedName{Namespace: id.Namespace, Name: id.Set}] || pod != nil && selector.Matches(labels.Set(pod.Labels))
	}, nil
}

// Ordinal reads one ordinal: the record before the pod, as the guard does, so that
// one that lives never looks as if it were gone.
func (c *Cluster) Ordinal(ctx context.Context, id identity.Identity) (*Ordinal, error) {
	o := &Ordinal{ID: id}
	record, err := c.Records.HoldfastV1alpha1().Tenancies(id.Namespace).Get(ctx, id.Name(), metav1.GetOptions{})
	switch {
	case err == nil:
		o.Record = record
	case Unserved(err) || !apierrors.IsNotFound(err):
		return nil, Explain(err)
	}
	pod, err := c.Kube.CoreV1().Pods(id.Namespace).Get(ctx, id.Name(), metav1.GetOptions{})
	switch {
	case err == nil:
		o.Pod, o.PodsRead = pod, true
	case apierrors.IsNotFound(err):
		o.PodsRead = true
	case !apierrors.IsForbidden(err):
		return nil, err
	}
	return o, nil
}

// Detail reads one ordinal with what stands around it. What may not be read is noted
// and left out: nodes and attachments are for those who may see the whole cluster.
func (c *Cluster) Detail(ctx context.Context, id identity.Identity) (*Detail, error) {
	o, err := c.Ordinal(ctx, id)
	if err != nil {
		return nil, err
	}
	d := &Detail{Ordinal: *o}
	if !d.PodsRead {
		d.Unread = append(d.Unread, "pods (forbidden)")
	}
	note := func(what string, err error) error {
		if apierrors.IsForbidden(err) {
			d.Unread = append(d.Unread, what+" (forbidden)")
			return nil
		}
		return err
	}
	return d, errors.Join(
		note("nodes", c.nodes(ctx, d)),
		note("volume attachments", c.attachments(ctx, d)),
		note("events", c.events(ctx, d)),
	)
}

// nodes reads all of them: whether two share a boot can be told from all alone.
func (c *Cluster) nodes(ctx context.Context, d *Detail) error {
	if d.Record == nil || d.Record.Status.Incarnation == nil {
		return nil
	}
	nodes := map[string]*v1.Node{}
	err := Each(ctx, func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
		return c.Kube.CoreV1().Nodes().List(ctx, o)
	}, metav1.ListOptions{}, func(node *v1.Node) { nodes[node.Name] = node })
	if err != nil {
		return err
	}
	d.Nodes.Booted = func(bootID, except string) bool {
		for name, node := range nodes {
			if name != except && node.Status.NodeInfo.BootID == bootID {
				return true
			}
		}
		return false
	}
	for _, n := range d.Record.Status.Incarnation.Nodes {
		if !slices.ContainsFunc(d.Nodes.Read, func(s fence.NodeSight) bool { return s.Name == n.Name }) {
			d.Nodes.Read = append(d.Nodes.Read, fence.NodeSight{Name: n.Name, Node: nodes[n.Name]})
		}
	}
	return nil
}

func (c *Cluster) attachments(ctx context.Context, d *Detail) error {
	if d.Record == nil || d.Record.Status.Incarnation == nil || len(d.Record.Status.Incarnation.Volumes) == 0 {
		return nil
	}
	used := map[string]bool{}
	for _, v := range d.Record.Status.Incarnation.Volumes {
		used[v.Volume] = v.Volume != ""
	}
	err := Each(ctx, func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
		return c.Kube.StorageV1().VolumeAttachments().List(ctx, o)
	}, metav1.ListOptions{}, func(a *storagev1.VolumeAttachment) {
		if name := a.Spec.Source.PersistentVolumeName; name != nil && used[*name] {
			d.Attachments = append(d.Attachments, *a)
		}
	})
	slices.SortFunc(d.Attachments, func(a, b storagev1.VolumeAttachment) int { return strings.Compare(a.Name, b.Name) })
	return err
}

func (c *Cluster) events(ctx context.Context, d *Detail) error {
	err := Each(ctx, func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
		return c.Kube.CoreV1().Events(d.ID.Namespace).List(ctx, o)
	}, metav1.ListOptions{FieldSelector: fields.OneTermEqualSelector("involvedObject.name", d.ID.Name()).String()}, func(e *v1.Event) {
		d.Events = append(d.Events, *e)
	})
	slices.SortStableFunc(d.Events, func(a, b v1.Event) int { return LastSeen(a).Compare(LastSeen(b).Time) })
	if surplus := len(d.Events) - eventsMax; surplus > 0 {
		d.Events = slices.Delete(d.Events, 0, surplus)
	}
	return err
}

// LastSeen is when an event was last seen: there are several fields for it.
func LastSeen(e v1.Event) metav1.Time {
	switch {
	case e.Series != nil && !e.Series.LastObservedTime.IsZero():
		return metav1.NewTime(e.Series.LastObservedTime.Time)
	case !e.LastTimestamp.IsZero():
		return e.LastTimestamp
	case !e.EventTime.IsZero():
		return metav1.NewTime(e.EventTime.Time)
	}
	return e.CreationTimestamp
}

// RecordNames lists at most so many names of records of the namespace, and none where
// the cluster does not tell within the limit: a shell waits for them.
func (c *Cluster) RecordNames(ctx context.Context, limit time.Duration, atMost int64) []string {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	records, err := c.Records.HoldfastV1alpha1().Tenancies(c.Namespace).List(ctx, metav1.ListOptions{Limit: atMost})
	if err != nil {
		return nil
	}
	var names []string
	for _, r := range records.Items {
		names = append(names, r.Name)
	}
	return names
}
