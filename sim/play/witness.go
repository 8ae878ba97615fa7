package play

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/tools/cache"

	"github.com/holdfast-dev/holdfast/sim/dns"
	"github.com/holdfast-dev/holdfast/sim/report"
)

// The limits of what is written down of a run.
const (
	podsMax    = 10_000
	namesMax   = 10_000
	answersMax = 100
)

// witness writes down what the API shows of every pod, of claims, and of names in DNS:
// what a workload promises its pods. It is the observer's, and under its lock.
type witness struct {
	// order counts what the watch of pods showed: one watch has one order.
	order  int
	pods   []*podSeen
	byUID  map[types.UID]*podSeen
	number map[string]int
	// makers are the controllers of ReplicaSets, by their UIDs.
	makers map[types.UID]*metav1.OwnerReference

	claims map[string]*report.Claim
	// users are the pods that name a claim.
	users    map[string][]*podSeen
	services map[string]*serviceSeen
	names    map[nameKey]*report.Name
	// more counts what is not written down, by what it is.
	more map[string]int
}

// podSeen is what is written down of a pod, and what is looked up at the end.
type podSeen struct {
	report.Pod
	owner  *metav1.OwnerReference
	claims []string
}

// serviceSeen is a service with the endpoints that it has; nil: none, as yet.
type serviceSeen struct {
	service   *corev1.Service
	endpoints map[string]*discoveryv1.EndpointSlice
	// known are the names that it has now.
	known map[nameKey]bool
}

type nameKey struct {
	name string
	kind dns.Type
}

func newWitness() *witness {
	return &witness{
		byUID: map[types.UID]*podSeen{}, number: map[string]int{}, makers: map[types.UID]*metav1.OwnerReference{},
		claims: map[string]*report.Claim{}, users: map[string][]*podSeen{}, services: map[string]*serviceSeen{}, names: map[nameKey]*report.Name{}, more: map[string]int{},
	}
}

// witnessHandlers are for what the observer does not watch itself.
func (o *observer) witnessHandlers(shared informers.SharedInformerFactory) map[cache.SharedIndexInformer]cache.ResourceEventHandler {
	return map[cache.SharedIndexInformer]cache.ResourceEventHandler{
		shared.Apps().V1().ReplicaSets().Informer():            handler(o, (*observer).replicaSetSeen, nil),
		shared.Core().V1().PersistentVolumeClaims().Informer(): handler(o, (*observer).claimSeen, (*observer).claimGone),
		shared.Core().V1().Services().Informer():               handler(o, (*observer).serviceSeen, (*observer).serviceGone),
		shared.Discovery().V1().EndpointSlices().Informer():    handler(o, (*observer).endpointsSeen, (*observer).endpointsGone),
	}
}

func (o *observer) replicaSetSeen(set *appsv1.ReplicaSet) {
	o.witness.makers[set.UID] = metav1.GetControllerOf(set)
}

func (o *observer) claimSeen(claim *corev1.PersistentVolumeClaim) {
	name := claim.Namespace + "/" + claim.Name
	c := o.witness.claims[name]
	if c == nil {
		c = &report.Claim{Name: name}
		o.witness.claims[name] = c
	}
	c.State = string(cmp.Or(claim.Status.Phase, corev1.ClaimPending))
	if volume := claim.Spec.VolumeName; volume != "" && !slices.Contains(c.Volumes, volume) {
		c.Volumes = append(c.Volumes, volume)
	}
	o.witness.bound(name, claim)
}

// absentClaim is the state of a claim whose object is gone.
const absentClaim = "Absent"

func (o *observer) claimGone(claim *corev1.PersistentVolumeClaim) {
	if c := o.witness.claims[claim.Namespace+"/"+claim.Name]; c != nil {
		c.State = absentClaim
	}
}

// bound tells the pods that use a claim of its volume. A claim cannot go while a pod uses
// it, so the volume is that of the pod's whole life.
func (w *witness) bound(name string, claim *corev1.PersistentVolumeClaim) {
	if claim.Spec.VolumeName == "" {
		return
	}
	for _, p := range w.users[name] {
		if p.Gone == nil {
			p.setVolume(name, claim.Spec.VolumeName)
		}
	}
}

func (p *podSeen) setVolume(claim, volume string) {
	if !slices.ContainsFunc(p.Volumes, func(v report.Volume) bool { return v.Claim == claim }) {
		p.Volumes = append(p.Volumes, report.Volume{Claim: claim, Name: volume})
	}
}

// now is the time of this instant. What was there before time zero is so since then.
func (o *observer) now() metav1.Duration {
	if o.zero.IsZero() {
		return metav1.Duration{}
	}
	return since(time.Now(), o.zero)
}

// instant is a moment after all that the watch of pods showed before.
func (w *witness) instant(at metav1.Duration) report.Instant {
	w.order++
	return report.Instant{At: at, Order: w.order}
}

func (w *witness) podSeen(pod *corev1.Pod, at metav1.Duration) {
	now := w.instant(at)
	p := w.byUID[pod.UID]
	if p == nil {
		if p = w.meet(pod, now); p == nil {
			return
		}
	}
	p.Node, p.Revision = cmp.Or(p.Node, pod.Spec.NodeName), revisionOf(pod)
	if owner := metav1.GetControllerOf(pod); owner != nil {
		p.owner = owner // Pods that were made by hand are adopted later.
	}
	p.Restarts = 0
	for _, c := range pod.Status.ContainerStatuses {
		p.Restarts += int(c.RestartCount)
	}
	if ip := pod.Status.PodIP; ip != "" && (len(p.Addresses) == 0 || p.Addresses[len(p.Addresses)-1].Value != ip) && len(p.Addresses) < answersMax {
		p.Addresses = append(p.Addresses, report.Address{From: now.At, Value: ip})
	}
	if p.Ready == nil && podReady(pod) {
		p.Ready = &now
	}
	if p.Deleted == nil && pod.DeletionTimestamp != nil {
		p.Deleted = &now
	}
}

// meet writes a pod down that was not seen before; nil: there are too many.
func (w *witness) meet(pod *corev1.Pod, now report.Instant) *podSeen {
	if len(w.pods) >= podsMax {
		w.more["pods"]++
		return nil
	}
	name := pod.Namespace + "/" + pod.Name
	w.number[name]++
	p := &podSeen{Pod: report.Pod{Name: name, Incarnation: w.number[name], Created: now}}
	for _, v := range pod.Spec.Volumes {
		if v.PersistentVolumeClaim == nil {
			continue
		}
		claim := pod.Namespace + "/" + v.PersistentVolumeClaim.ClaimName
		p.claims = append(p.claims, claim)
		w.users[claim] = append(w.users[claim], p)
		if c := w.claims[claim]; c != nil && c.State == string(corev1.ClaimBound) {
			p.setVolume(claim, c.Volumes[len(c.Volumes)-1])
		}
	}
	w.pods, w.byUID[pod.UID] = append(w.pods, p), p
	return p
}

// revisionOf is the revision of the template that a pod is of, as its maker labels it.
func revisionOf(pod *corev1.Pod) string {
	return cmp.Or(pod.Labels[appsv1.ControllerRevisionHashLabelKey], pod.Labels[appsv1.DefaultDeploymentUniqueLabelKey])
}

func (w *witness) podGone(pod *corev1.Pod, at metav1.Duration) {
	now := w.instant(at)
	p := w.byUID[pod.UID]
	if p == nil {
		return
	}
	p.Gone = &now
	if p.Deleted == nil {
		p.Deleted = &now // Without a grace period it is asked for and done at once.
	}
}

func (o *observer) serviceSeen(s *corev1.Service) {
	x := o.witness.service(s.Namespace, s.Name)
	x.service = s
	o.resolve(x)
}

func (o *observer) serviceGone(s *corev1.Service) {
	x := o.witness.service(s.Namespace, s.Name)
	x.service = nil
	o.resolve(x)
}

func (o *observer) endpointsSeen(e *discoveryv1.EndpointSlice) {
	if name := e.Labels[discoveryv1.LabelServiceName]; name != "" {
		x := o.witness.service(e.Namespace, name)
		x.endpoints[e.Name] = e
		o.resolve(x)
	}
}

func (o *observer) endpointsGone(e *discoveryv1.EndpointSlice) {
	if name := e.Labels[discoveryv1.LabelServiceName]; name != "" {
		x := o.witness.service(e.Namespace, name)
		delete(x.endpoints, e.Name)
		o.resolve(x)
	}
}

func (w *witness) service(namespace, name string) *serviceSeen {
	key := namespace + "/" + name
	if w.services[key] == nil {
		w.services[key] = &serviceSeen{endpoints: map[string]*discoveryv1.EndpointSlice{}, known: map[nameKey]bool{}}
	}
	return w.services[key]
}

// resolve writes down what the names of a service resolve to from now on.
func (o *observer) resolve(x *serviceSeen) {
	w, now := o.witness, o.now()
	answers, pods := map[nameKey][]string{}, map[nameKey]string{}
	if x.service != nil {
		endpoints := slices.Collect(maps.Values(x.endpoints)) // Records sorts what comes of them.
		service := dns.Name(x.service.Namespace, x.service.Name)
		for _, r := range dns.Records(x.service, endpoints) {
			key := nameKey{r.Name, r.Type}
			answers[key] = append(answers[key], r.Value)
			if strings.HasSuffix(r.Name, "."+service) && r.Type != dns.SRV {
				pods[key] = r.Pod
			}
		}
	}
	for key := range x.known {
		if answers[key] == nil {
			answers[key] = []string{} // It is unknown now.
		}
	}
	for key, values := range answers {
		x.known[key] = true
		w.answer(key, pods[key], slices.Compact(values), now)
	}
}

// answer adds what a name resolves to from now on, if that is something else.
func (w *witness) answer(key nameKey, pod string, values []string, now metav1.Duration) {
	n := w.names[key]
	if n == nil {
		if len(w.names) >= namesMax {
			w.more["names in DNS"]++
			return
		}
		n = &report.Name{Name: key.name, Type: string(key.kind)}
		w.names[key] = n
	}
	n.Pod = cmp.Or(pod, n.Pod)
	last := len(n.Answers) - 1
	switch {
	case last >= 0 && slices.Equal(n.Answers[last].Values, values):
	case last >= 0 && n.Answers[last].From == now:
		n.Answers[last].Values = values
	case len(n.Answers) >= answersMax:
		w.more["changes of names in DNS"]++
	default:
		n.Answers = append(n.Answers, report.Answer{From: now, Values: values})
	}
}

// summarise fills in what was seen.
func (w *witness) summarise(run *report.Run) {
	for _, p := range w.pods {
		p.Kind, p.Maker = w.maker(p)
		slices.SortFunc(p.Volumes, func(a, b report.Volume) int {
			return cmp.Compare(slices.Index(p.claims, a.Claim), slices.Index(p.claims, b.Claim))
		})
		run.Pods = append(run.Pods, p.Pod)
	}
	for _, name := range slices.Sorted(maps.Keys(w.claims)) {
		run.Claims = append(run.Claims, *w.claims[name])
	}
	for _, n := range w.names {
		run.DNS = append(run.DNS, *n)
	}
	slices.SortFunc(run.DNS, func(a, b report.Name) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Type, b.Type)) })
	for _, what := range slices.Sorted(maps.Keys(w.more)) {
		run.Unseen = append(run.Unseen, fmt.Sprintf("%d more %s", w.more[what], what))
	}
}

// maker is who made a pod: of a ReplicaSet that a Deployment has, the Deployment.
func (w *witness) maker(p *podSeen) (kind, name string) {
	owner := p.owner
	if owner == nil {
		return "", ""
	}
	if of := w.makers[owner.UID]; of != nil {
		owner = of
	}
	namespace, _, _ := strings.Cut(p.Name, "/")
	return owner.Kind, namespace + "/" + owner.Name
}
