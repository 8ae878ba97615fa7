package uninstall

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"sigs.k8s.io/yaml"

	schedulermanifest "github.com/holdfast-dev/holdfast/manifests/scheduler"
	"github.com/holdfast-dev/holdfast/pkg/apis/holdfast/v1alpha1"
	"github.com/holdfast-dev/holdfast/pkg/cli/cluster"
	"github.com/holdfast-dev/holdfast/pkg/cli/status"
	"github.com/holdfast-dev/holdfast/pkg/explain"
)

// The words by which a refusal is passed over. What has no word is not passed over.
const (
	// HeldIdentities: identities are held; without Holdfast two of one may run.
	HeldIdentities = "held-identities"
	// ProfileInUse: workloads name the profile; nobody will schedule their pods.
	ProfileInUse = "profile-in-use"
	// DefaultScheduler: Holdfast is the cluster's one scheduler.
	DefaultScheduler = "default-scheduler"
)

// Words are all of them.
var Words = []string{HeldIdentities, ProfileInUse, DefaultScheduler}

// Refusal is a reason not to begin.
type Refusal struct {
	// Word passes over it; empty: nothing does.
	Word string
	// Text says what is in the way and what to do about it.
	Text string
	// Objects are the ones that it is about.
	Objects []string
}

// Plan is what is there, and what speaks against its removal.
type Plan struct {
	program                    string
	policies, schedulers, rest []object
	// named have no label.
	named      []object
	definition []object
	namespace  []object
	// strangers keep the namespace.
	strangers []string
	read      *cluster.Read
	guarded   []types.NamespacedName
	// Refusals are all that speaks against it, passed over or not.
	Refusals []Refusal
}

// listedMax bounds how many objects a text names.
const listedMax = 20

// Prepare looks at what is there and changes nothing. Its texts call the program as
// it was called.
func Prepare(ctx context.Context, c *cluster.Cluster, program string) (*Plan, error) {
	p := &Plan{program: program}
	for _, stage := range []struct {
		into  *[]object
		kinds []kind
	}{
		{&p.policies, policies}, {&p.schedulers, []kind{deployments}}, {&p.rest, others}, {&p.namespace, []kind{namespaces}},
	} {
		for _, k := range stage.kinds {
			found, err := labelled(ctx, c, k)
			if err != nil {
				return nil, err
			}
			*stage.into = append(*stage.into, found...)
		}
	}
	// Only the one of the manifests: a namespace of the user's may have the label.
	p.namespace = slices.DeleteFunc(p.namespace, func(o object) bool { return o.name != Namespace })
	var err error
	if p.named, err = markAndLeases(ctx, c); err != nil {
		return nil, err
	}
	if p.definition, err = named(ctx, c, definitions, crdName); err != nil {
		return nil, err
	}
	if len(p.namespace) > 0 {
		ours := slices.Concat(p.schedulers, p.rest, p.named)
		if p.strangers, err = strangers(ctx, c, ours); err != nil {
			return nil, err
		}
	}
	if err := p.look(ctx, c); err != nil {
		return nil, err
	}
	return p, p.refuse(ctx, c)
}

// look reads all records, and the pods that carry the finalizer.
func (p *Plan) look(ctx context.Context, c *cluster.Cluster) error {
	read, err := c.Everything(ctx, metav1.NamespaceAll)
	switch {
	case err != nil:
		return err
	case !read.PodsRead:
		return fmt.Errorf("the pods of all namespaces cannot be read: uninstalling is for a cluster administrator")
	}
	p.read, p.guarded = read, nil
	for key, pod := range read.Pods {
		if slices.Contains(pod.Finalizers, v1alpha1.PodFinalizer) {
			p.guarded = append(p.guarded, key)
		}
	}
	slices.SortFunc(p.guarded, byName)
	return nil
}

func byName(a, b types.NamespacedName) int {
	return cmp.Or(strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Name, b.Name))
}

// Empty reports whether there is nothing to remove.
func (p *Plan) Empty() bool {
	return len(p.policies)+len(p.schedulers)+len(p.rest)+len(p.named)+len(p.definition)+len(p.namespace)+len(p.guarded)+len(p.read.Records) == 0
}

// refuse collects what speaks against it.
func (p *Plan) refuse(ctx context.Context, c *cluster.Cluster) error {
	if held := p.held(); held != nil {
		p.Refusals = append(p.Refusals, *held)
	}
	profiles, err := profilesOf(ctx, c)
	if err != nil {
		return err
	}
	if profiles.Has(v1.DefaultSchedulerName) {
		p.Refusals = append(p.Refusals, Refusal{Word: DefaultScheduler,
			Text: "Holdfast serves the profile default-scheduler too. Without it nothing in the cluster is scheduled, unless the cluster's own scheduler stands by"})
		profiles.Delete(v1.DefaultSchedulerName)
	}
	users, finalizing, err := workloads(ctx, c, profiles)
	if err != nil {
		return err
	}
	for key, pod := range p.read.Pods {
		if pod.Spec.NodeName == "" && pod.DeletionTimestamp == nil && profiles.Has(pod.Spec.SchedulerName) {
			users = append(users, "pods/"+key.Name+" in "+key.Namespace)
		}
	}
	slices.Sort(users)
	if len(users) > 0 {
		p.Refusals = append(p.Refusals, Refusal{ProfileInUse,
			"these name the profile, and nobody will schedule their pods: give their templates another schedulerName, and wait until the pods that are not bound yet are", users})
	}
	if len(finalizing) > 0 {
		p.Refusals = append(p.Refusals, Refusal{"",
			"the templates of these carry the finalizer " + v1alpha1.PodFinalizer + ": they would go on making pods that nobody lets go of. Take it out of them", finalizing})
	}
	return nil
}

// held is the refusal because of held identities; nil: there are none.
func (p *Plan) held() *Refusal {
	keys := sets.New(p.guarded...)
	for key := range p.read.Records {
		keys.Insert(key)
	}
	var held []string
	for _, key := range slices.SortedFunc(slices.Values(keys.UnsortedList()), byName) {
		if why := explain.LetsTwoRun(p.read.Facts(key)); why != "" {
			held = append(held, key.String()+": "+why)
		}
	}
	if len(held) == 0 {
		return nil
	}
	return &Refusal{HeldIdentities, fmt.Sprintf("nothing proves that these are over: let go of, two of them may run. Have them released first (%s status -A --held)", p.program), held}
}

// profilesOf are the profiles that Holdfast serves, as its configuration names them.
func profilesOf(ctx context.Context, c *cluster.Cluster) (sets.Set[string], error) {
	profiles := sets.New(schedulermanifest.ProfileName)
	err := cluster.Each(ctx, func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
		return c.Kube.CoreV1().ConfigMaps(Namespace).List(ctx, o)
	}, metav1.ListOptions{LabelSelector: PartOf}, func(m *v1.ConfigMap) {
		for _, content := range m.Data {
			var configuration struct {
				Profiles []struct {
					SchedulerName string `json:"schedulerName"`
				} `json:"profiles"`
			}
			if yaml.Unmarshal([]byte(content), &configuration) != nil {
				continue // None of the scheduler's.
			}
			for _, profile := range configuration.Profiles {
				profiles.Insert(profile.SchedulerName)
			}
		}
	})
	if err != nil {
		return nil, fmt.Errorf("the scheduler's configuration: %w", err)
	}
	return profiles, nil
}

// templates are the workloads whose pods a scheduler places, with the path to their
// pod's template.
var templates = []struct {
	schema.GroupVersionResource
	path []string
}{
	{schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "statefulsets"}, []string{"spec", "template"}},
	{schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"}, []string{"spec", "template"}},
	{schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "daemonsets"}, []string{"spec", "template"}},
	{schema.GroupVersionResource{Group: "batch", Version: "v1", Resource: "cronjobs"}, []string{"spec", "jobTemplate", "spec", "template"}},
}

// workloads lists those whose pods name a profile, and those whose pods carry the
// finalizer by their template.
func workloads(ctx context.Context, c *cluster.Cluster, profiles sets.Set[string]) (users, finalizing []string, err error) {
	for _, t := range templates {
		err := cluster.Each(ctx, func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			return c.Dynamic.Resource(t.GroupVersionResource).List(ctx, o)
		}, metav1.ListOptions{}, func(u *unstructured.Unstructured) {
			name := t.Resource + "/" + u.GetName() + " in " + u.GetNamespace()
			if scheduler, _, _ := unstructured.NestedString(u.Object, append(slices.Clone(t.path), "spec", "schedulerName")...); profiles.Has(scheduler) {
				users = append(users, name)
			}
			if finalizers, _, _ := unstructured.NestedStringSlice(u.Object, append(slices.Clone(t.path), "metadata", "finalizers")...); slices.Contains(finalizers, v1alpha1.PodFinalizer) {
				finalizing = append(finalizing, name)
			}
		})
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", t.Resource, err)
		}
	}
	return users, finalizing, nil
}

// Refused are the refusals that the words do not pass over.
func (p *Plan) Refused(ignored []string) []Refusal {
	return slices.DeleteFunc(slices.Clone(p.Refusals), func(r Refusal) bool { return r.Word != "" && slices.Contains(ignored, r.Word) })
}

// Write writes the plan, and below it what speaks against it.
func (p *Plan) Write(out io.Writer, host string, ignored []string) error {
	var b strings.Builder
	fmt.Fprintf(&b, "Removing Holdfast from %s:\n\n", host)
	rest := slices.Concat(p.definition, p.named, p.rest)
	if len(p.strangers) == 0 {
		rest = append(rest, p.namespace...)
	}
	for i, step := range []string{
		"the admission policies: " + listed(p.policies),
		"scheduler and guard: " + listed(p.schedulers) + "; then wait until their pods and leases are gone",
		fmt.Sprintf("the finalizer %s of %d pods, which stay as they are", v1alpha1.PodFinalizer, len(p.guarded)),
		fmt.Sprintf("%d records", len(p.read.Records)),
		"the rest: " + listed(rest),
	} {
		fmt.Fprintf(&b, "  %d. %s\n", i+1, strings.TrimLeft(status.Wrap(step, "     "), " "))
	}
	if len(p.namespace) > 0 && len(p.strangers) > 0 {
		fmt.Fprintf(&b, "\n%s\n", status.Wrap(fmt.Sprintf("The namespace %s stays, for not all in it is Holdfast's: %s", Namespace, strings.Join(some(p.strangers), ", ")), ""))
	}
	for _, r := range p.Refusals {
		fmt.Fprintf(&b, "\n%s:\n", status.Wrap(r.heading(ignored), ""))
		for _, o := range some(r.Objects) {
			fmt.Fprintf(&b, "%s\n", status.Wrap(o, "  "))
		}
	}
	_, err := io.WriteString(out, b.String())
	return err
}

func (r Refusal) heading(ignored []string) string {
	switch {
	case r.Word == "":
		return "Refused, " + r.Text
	case slices.Contains(ignored, r.Word):
		return "Passed over (--ignore=" + r.Word + "), " + r.Text
	}
	return "Refused (pass over it with --ignore=" + r.Word + "), " + r.Text
}

func listed(objects []object) string {
	if len(objects) == 0 {
		return "none"
	}
	var names []string
	for _, o := range objects {
		names = append(names, o.String())
	}
	return strings.Join(names, ", ")
}

// some cuts a list short and says so.
func some(names []string) []string {
	if len(names) <= listedMax {
		return names
	}
	return append(slices.Clone(names[:listedMax]), fmt.Sprintf("and %d more", len(names)-listedMax))
}
