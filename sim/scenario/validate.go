package scenario

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/holdfast-dev/holdfast/sim/snapshot"
)

// The closed lists of the format, for validation and schema alike.
var (
	topologies    = []Topology{TopologyZone, TopologyNode, TopologyAnywhere}
	ordinalStates = []OrdinalState{Running, Held, Pending, Absent}
	holderNames   = []HolderName{ByGuard, ByScheduler}
	answers       = []Answer{Work, Fail, Hang, Lie}
	// invariants are those that every run is held to (docs/invariants.md).
	invariants = []string{"S1", "S2", "S3", "S4", "S5", "S6", "S7", "S8", "S9", "S10", "L1", "L2", "L3", "L4", "L5", "L6"}
	// worldly are those that a false assertion can put outside the trust boundary; a
	// violation of S7 is one of S1 to S6 in a stale view.
	worldly = []string{"S1", "S2", "S7"}
	// evidenceKinds and assertionKinds are the table of docs/design.md, §2, in its
	// order. A scenario may name a kind that no rule gives yet: it is then never found.
	evidenceKinds  = []string{"NeverBound", "KubeletConfirmed", "Rebooted", "Fenced", "NodeRemoved", "Observed", "Attested"}
	assertionKinds = []string{"Fenced", "NodeRemoved", "Attested"}
	// runtimeKinds are proofs that hold as far as the node's runtime tells the truth.
	runtimeKinds = []string{"KubeletConfirmed", "Observed"}
)

// outsideKinds are what can put a violation outside the trust boundary: a false
// assertion, or a proof from a runtime that lied.
func outsideKinds() []string { return slices.Concat(assertionKinds, runtimeKinds) }

// IsAssertion says whether evidence of this kind rests on somebody's word. All other
// evidence is proof.
func IsAssertion(kind string) bool { return slices.Contains(assertionKinds, kind) }

// engineLabels are set on nodes by the engine; the last by the driver of local disks.
var engineLabels = sets.New(
	corev1.LabelHostname, corev1.LabelTopologyZone, corev1.LabelTopologyRegion, corev1.LabelOSStable, corev1.LabelArchStable,
	"topology.local.sim.holdfast.dev/node",
)

// Validate says what is wrong with a scenario whose defaults are set. Its
// manifests are Decode's to check.
func Validate(s *Scenario) field.ErrorList {
	var errs field.ErrorList
	if s.APIVersion != APIVersion {
		errs = append(errs, field.NotSupported(field.NewPath("apiVersion"), s.APIVersion, []string{APIVersion}))
	}
	if s.Kind != Kind {
		errs = append(errs, field.NotSupported(field.NewPath("kind"), s.Kind, []string{Kind}))
	}
	if s.Until.Duration <= 0 {
		errs = append(errs, field.Invalid(field.NewPath("until"), s.Until.Duration.String(), "must be greater than zero"))
	}
	errs = append(errs, validateSchedulers(s.Schedulers, field.NewPath("schedulers"))...)
	if s.SchedulerConfiguration != "" && s.Args != nil {
		errs = append(errs, field.Forbidden(field.NewPath("args"), "there is a schedulerConfiguration: say it there"))
	}
	if len(s.Cluster.From) > 0 {
		errs = append(errs, validateFrom(&s.Cluster, field.NewPath("cluster"))...)
	} else {
		errs = append(errs, validateCluster(&s.Cluster, field.NewPath("cluster"))...)
	}
	errs = append(errs, validateObjects(s.Objects, field.NewPath("objects"))...)
	errs = append(errs, validateTimeline(s, field.NewPath("timeline"))...)
	errs = append(errs, validateTimers(&s.Timers, field.NewPath("timers"))...)
	errs = append(errs, validateExpect(s, field.NewPath("expect"))...)
	errs = append(errs, validateBreaks(s, field.NewPath("breaks"))...)
	return errs
}

func validateCluster(c *Cluster, p *field.Path) field.ErrorList {
	errs := validateNodeGroups(c.NodeGroups, p.Child("nodeGroups"))
	classes := p.Child("storageClasses")
	errs = append(errs, atMost(len(c.StorageClasses), StorageClassesMax, classes)...)
	names := sets.New[string]()
	for i := range c.StorageClasses {
		class, p := &c.StorageClasses[i], classes.Index(i)
		errs = append(errs, formed(class.Name, p.Child("name"), validation.IsDNS1123Subdomain)...)
		errs = append(errs, unique(names, class.Name, p.Child("name"))...)
		if !slices.Contains(topologies, class.Topology) {
			errs = append(errs, field.NotSupported(p.Child("topology"), class.Topology, topologies))
		}
		errs = append(errs, validateAttaching(class, p)...)
	}
	return errs
}

// validateAttaching: what says how volumes are attached has a meaning only for
// those that are.
func validateAttaching(c *StorageClass, p *field.Path) field.ErrorList {
	if c.attached() {
		errs := append(notNegative(c.AttachSeconds, p.Child("attachSeconds")), notNegative(c.DetachSeconds, p.Child("detachSeconds"))...)
		if c.Topology == TopologyNode || c.Topology == TopologyAnywhere {
			errs = append(errs, field.Invalid(p.Child("attachRequired"), true, fmt.Sprintf("volumes of topology %s are never attached", c.Topology)))
		}
		return errs
	}
	var errs field.ErrorList
	for _, f := range []struct {
		name string
		set  bool
	}{
		{"attachSeconds", c.AttachSeconds != nil}, {"detachSeconds", c.DetachSeconds != nil}, {"detachFences", c.DetachFences != nil},
	} {
		if f.set {
			errs = append(errs, field.Forbidden(p.Child(f.name), "volumes of this class are not attached"))
		}
	}
	return errs
}

func validateNodeGroups(groups []NodeGroup, p *field.Path) field.ErrorList {
	var errs field.ErrorList
	if len(groups) == 0 {
		errs = append(errs, field.Required(p, "a cluster needs machines, of its own or from a snapshot"))
	}
	names := sets.New[string]()
	total := 0
	for i := range groups {
		g, p := &groups[i], p.Index(i)
		errs = append(errs, formed(g.Name, p.Child("name"), validation.IsDNS1123Label)...)
		errs = append(errs, unique(names, g.Name, p.Child("name"))...)
		errs = append(errs, formed(g.Zone, p.Child("zone"), validation.IsValidLabelValue)...)
		if g.Count < 1 || g.Count > GroupNodesMax {
			errs = append(errs, field.Invalid(p.Child("count"), g.Count, inRange(1, GroupNodesMax)))
		} else {
			total += g.Count
		}
		if last := fmt.Sprintf("%s-%d", g.Name, g.Count-1); len(last) > validation.LabelValueMaxLength {
			errs = append(errs, field.Invalid(p.Child("name"), g.Name, fmt.Sprintf("too long: a node is named %s, and that is a label too, of at most %d characters", last, validation.LabelValueMaxLength)))
		}
		for _, resource := range sets.List(sets.KeySet(g.Capacity)) {
			quantity := g.Capacity[resource]
			if quantity.Sign() <= 0 {
				errs = append(errs, field.Invalid(p.Child("capacity").Key(string(resource)), quantity.String(), "must be greater than zero"))
			}
			if resource != corev1.ResourceCPU && quantity.MilliValue()%1000 != 0 {
				errs = append(errs, field.Invalid(p.Child("capacity").Key(string(resource)), quantity.String(), "must be a whole number"))
			}
		}
		errs = append(errs, validateLabels(g.Labels, p.Child("labels"))...)
		if limit := g.AttachLimit; limit != nil && (*limit < 1 || *limit > AttachLimitMax) {
			errs = append(errs, field.Invalid(p.Child("attachLimit"), *limit, inRange(1, AttachLimitMax)))
		}
	}
	return append(errs, atMost(total, NodesMax, p)...)
}

func validateLabels(labels map[string]string, p *field.Path) field.ErrorList {
	var errs field.ErrorList
	for _, key := range sets.List(sets.KeySet(labels)) {
		errs = append(errs, formed(key, p.Key(key), validation.IsQualifiedName)...)
		for _, message := range validation.IsValidLabelValue(labels[key]) {
			errs = append(errs, field.Invalid(p.Key(key), labels[key], message))
		}
		if engineLabels.Has(key) {
			errs = append(errs, field.Forbidden(p.Key(key), "the engine sets it"))
		}
	}
	return errs
}

func validateObjects(objects []Object, p *field.Path) field.ErrorList {
	errs := atMost(len(objects), ObjectsMax, p)
	for i := range objects {
		errs = append(errs, validateObject(&objects[i], p.Index(i))...)
	}
	return errs
}

func validateObject(o *Object, p *field.Path) field.ErrorList {
	if (o.File == "") == (o.Manifest == nil) {
		return field.ErrorList{field.Invalid(p, given(o.File != "", o.Manifest != nil), "want exactly one of file and manifest")}
	}
	return nil
}

// given words how many of two fields stand there.
func given(a, b bool) string {
	if a && b {
		return "both"
	}
	return "neither"
}

func validateTimers(t *Timers, p *field.Path) field.ErrorList {
	errs := validateTimer(t.NodeMonitorGracePeriod, p.Child("nodeMonitorGracePeriod"))
	errs = append(errs, validateTimer(t.ForceDetach, p.Child("forceDetach"))...)
	errs = append(errs, validateTimer(t.PodGCQuarantine, p.Child("podGCQuarantine"))...)
	return append(errs, notNegative(t.TolerationSeconds, p.Child("tolerationSeconds"))...)
}

// afterEnd is true of a time that the run does not reach. A run of no length has
// been reported already.
func afterEnd(at, until time.Duration) bool { return until > 0 && at > until }

// validateTimer: zero would mean "as upstream" to some controllers and "at once"
// to others.
func validateTimer(t *metav1.Duration, p *field.Path) field.ErrorList {
	if t != nil && t.Duration <= 0 {
		return field.ErrorList{field.Invalid(p, t.Duration.String(), "must be greater than zero")}
	}
	return nil
}

func validateTimeline(s *Scenario, p *field.Path) field.ErrorList {
	errs := atMost(len(s.Timeline), StepsMax, p)
	t := newTimes(s)
	nodes := nodeNames(s)
	names := sets.New[string]()
	for i := range s.Timeline {
		step, p := &s.Timeline[i], p.Index(i)
		if step.Name != "" {
			errs = append(errs, unique(names, step.Name, p.Child("name"))...)
		}
		errs = append(errs, t.validate(i, p)...)
		errs = append(errs, validateSchedulers(step.Schedulers, p.Child("schedulers"))...)
		errs = append(errs, validateAction(step, p)...)
		if action, why := step.needsHoldfast(); action != "" && t.plays[Default][i] {
			errs = append(errs, field.Forbidden(p.Child(action), why+": limit the step to schedulers: [holdfast]"))
		}
		if step.Terminate != nil && !s.Cluster.Cloud {
			errs = append(errs, field.Forbidden(p.Child("terminate"), "there is no cloud that could take the machine back: set cluster.cloud"))
		}
		if step.Storage != nil {
			errs = append(errs, validateStorage(step.Storage, s, p.Child("storage"))...)
		}
		if f := step.Fence; f != nil && f.Hits != "" && !nodes.Has(f.Hits) {
			errs = append(errs, field.NotFound(p.Child("fence", "hits"), f.Hits))
		}
		if step.Replace != nil && s.Cluster.Cloud {
			errs = append(errs, field.Forbidden(p.Child("replace"), "a cloud's machine has its identity from the cloud: terminate it"))
		}
		for _, target := range step.targets() {
			p := p.Child(target.action)
			if node := target.Node; node != "" && !nodes.Has(node) {
				errs = append(errs, field.NotFound(p.Child("node"), node))
			}
			if target.NodeOfStep != "" {
				errs = append(errs, t.validateNodeOfStep(i, target.NodeOfStep, p.Child("nodeOfStep"))...)
			}
		}
	}
	return errs
}

// times has what is known of a timeline before it is played: when each step is
// due, and under which schedulers it is played.
type times struct {
	timeline []Step
	until    time.Duration
	due      map[int]time.Duration
	plays    map[Scheduler][]bool
}

func newTimes(s *Scenario) *times {
	t := &times{timeline: s.Timeline, until: s.Until.Duration, due: map[int]time.Duration{}, plays: map[Scheduler][]bool{}}
	for i := range s.Timeline {
		if at, known := due(s.Timeline, i, t.due); known {
			t.due[i] = at
		}
	}
	for _, scheduler := range Schedulers() {
		t.plays[scheduler] = make([]bool, len(s.Timeline))
	}
	for _, scheduler := range s.PlayedBy() {
		t.plays[scheduler] = playedBy(s.Timeline, scheduler)
	}
	return t
}

// validate checks when the step is played, and that it ever is.
func (t *times) validate(i int, p *field.Path) field.ErrorList {
	var errs field.ErrorList
	step := &t.timeline[i]
	when := p.Child("at")
	switch {
	case (step.At == nil) == (step.After == nil):
		return append(errs, field.Invalid(p, given(step.At != nil, step.After != nil), "want exactly one of at and after"))
	case step.At != nil && step.At.Duration < 0:
		errs = append(errs, field.Invalid(when, step.At.Duration.String(), "must not be negative"))
	case step.After != nil:
		when = p.Child("after")
		if stepBefore(t.timeline, i, step.After.Step) < 0 {
			errs = append(errs, field.Invalid(when.Child("step"), step.After.Step, "no step of that name stands before this one"))
		}
		if step.After.Delay.Duration < 0 {
			errs = append(errs, field.Invalid(when.Child("delay"), step.After.Delay.Duration.String(), "must not be negative"))
		}
	}
	if at := t.due[i]; afterEnd(at, t.until) {
		errs = append(errs, field.Invalid(when, at.String(), fmt.Sprintf("after the end of the run, at %s", t.until)))
	}
	never := true
	for _, plays := range t.plays {
		never = never && !plays[i]
	}
	if never && len(t.supported(step.Schedulers)) == len(step.Schedulers) {
		why := "the step that this one is after is limited to other schedulers"
		if step.After == nil {
			why = "the scenario is limited to other schedulers"
		}
		errs = append(errs, field.Invalid(when, "never", why))
	}
	return errs
}

func (t *times) supported(schedulers []Scheduler) []Scheduler {
	return slices.DeleteFunc(slices.Clone(schedulers), func(s Scheduler) bool { return t.plays[s] == nil })
}

// validateNodeOfStep: the other step must have found a node by then, in every run
// that plays this one.
func (t *times) validateNodeOfStep(i int, name string, p *field.Path) field.ErrorList {
	other := slices.IndexFunc(t.timeline, func(s Step) bool { return s.Name == name })
	switch {
	case other < 0:
		return field.ErrorList{field.NotFound(p, name)}
	case !t.timeline[other].findsNode():
		return field.ErrorList{field.Invalid(p, name, "that step finds no node")}
	case t.due[other] > t.due[i], t.due[other] == t.due[i] && other >= i:
		return field.ErrorList{field.Invalid(p, name, "that step is not played before this one")}
	}
	for _, scheduler := range Schedulers() {
		if t.plays[scheduler][i] && !t.plays[scheduler][other] {
			return field.ErrorList{field.Invalid(p, name, fmt.Sprintf("that step is not played under the %s scheduler, and this one is", scheduler))}
		}
	}
	return nil
}

func validateSchedulers(schedulers []Scheduler, p *field.Path) field.ErrorList {
	var errs field.ErrorList
	seen := sets.New[string]()
	for i, scheduler := range schedulers {
		if !slices.Contains(Schedulers(), scheduler) {
			errs = append(errs, field.NotSupported(p.Index(i), scheduler, Schedulers()))
		}
		errs = append(errs, unique(seen, string(scheduler), p.Index(i))...)
	}
	return errs
}

// actionNames are the fields of a step of which it has exactly one.
var actionNames = []string{
	"partition", "heal", "forceDelete", "attest", "stallWatch", "resumeWatch", "storage",
	"restartKubelet", "crash", "powerOn", "reboot", "terminate",
	"deleteNode", "taint", "delete", "stripFinalizers", "deleteTenancy", "restartScheduler", "startScheduler",
	"apply", "scale", "deleteObject", "loseAnswer", "loseRequest",
	"freeze", "thaw", "replace", "partitionOneWay", "killContainers", "refuse", "dropWatch", "restartDriver",
	"cordon", "drain", "fence", "unfence",
	"cutStorage", "healStorage", "stickContainers", "freeContainers", "hangRuntime", "resumeRuntime", "lieAboutStop",
	"setAttachLimit", "lagWatches", "setClock",
}

// actions are the names of those that the step has.
func (s *Step) actions() []string {
	has := []bool{
		s.Partition != nil, s.Heal != nil, s.ForceDelete != nil, s.Attest != nil, s.StallWatch != nil, s.ResumeWatch != nil, s.Storage != nil,
		s.RestartKubelet != nil, s.Crash != nil, s.PowerOn != nil, s.Reboot != nil, s.Terminate != nil,
		s.DeleteNode != nil, s.Taint != nil, s.Delete != nil, s.StripFinalizers != nil, s.DeleteTenancy != nil, s.RestartScheduler != nil, s.StartScheduler != nil,
		s.Apply != nil, s.Scale != nil, s.DeleteObject != nil, s.LoseAnswer != nil, s.LoseRequest != nil,
		s.Freeze != nil, s.Thaw != nil, s.Replace != nil, s.PartitionOneWay != nil, s.KillContainers != nil, s.Refuse != nil, s.DropWatch != nil, s.RestartDriver != nil,
		s.Cordon != nil, s.Drain != nil, s.Fence != nil, s.Unfence != nil,
		s.CutStorage != nil, s.HealStorage != nil, s.StickContainers != nil, s.FreeContainers != nil, s.HangRuntime != nil, s.ResumeRuntime != nil, s.LieAboutStop != nil,
		s.SetAttachLimit != nil, s.LagWatches != nil, s.SetClock != nil,
	}
	var names []string
	for i, name := range actionNames {
		if has[i] {
			names = append(names, name)
		}
	}
	return names
}

// target is a NodeTarget with the name of the action that it belongs to.
type target struct {
	*NodeTarget
	action string
}

func (s *Step) targets() []target {
	var targets []target
	if s.Partition != nil {
		targets = append(targets, target{s.Partition, "partition"})
	}
	if s.Heal != nil {
		targets = append(targets, target{s.Heal, "heal"})
	}
	if s.Storage != nil {
		targets = append(targets, target{&s.Storage.NodeTarget, "storage"})
	}
	return slices.Concat(targets, s.faultTargets())
}

// findsNode is true if others can refer to the step by nodeOfStep.
func (s *Step) findsNode() bool {
	return slices.ContainsFunc(s.targets(), func(t target) bool { return *t.NodeTarget != NodeTarget{} })
}

func validateAction(s *Step, p *field.Path) field.ErrorList {
	var errs field.ErrorList
	if actions := s.actions(); len(actions) != 1 {
		got := strings.Join(actions, ", ")
		if got == "" {
			got = "none"
		}
		errs = append(errs, field.Invalid(p, got, "want exactly one action of "+strings.Join(actionNames, ", ")))
	}
	for _, target := range s.targets() {
		errs = append(errs, validateTarget(target, p.Child(target.action))...)
	}
	if f := s.ForceDelete; f != nil {
		errs = append(errs, validateName(f.Pod, p.Child("forceDelete", "pod"))...)
	}
	if a := s.Attest; a != nil {
		p := p.Child("attest")
		errs = append(errs, validateName(a.Pod, p.Child("pod"))...)
		errs = append(errs, notEmpty(a.Reason, p.Child("reason"))...)
		errs = append(errs, notEmpty(a.By, p.Child("by"))...)
	}
	if w := s.StallWatch; w != nil {
		errs = append(errs, validateWatch(w, p.Child("stallWatch"))...)
	}
	if w := s.ResumeWatch; w != nil {
		errs = append(errs, validateWatch(w, p.Child("resumeWatch"))...)
	}
	errs = append(errs, validateFault(s, p)...)
	errs = append(errs, validateAPI(s, p)...)
	return append(errs, validateChange(s, p)...)
}

// aboutAll are the actions that are about every node where they name none.
var aboutAll = []string{"heal", "storage"}

func validateTarget(t target, p *field.Path) field.ErrorList {
	set := 0
	for _, name := range []string{t.Node, t.NodeOf, t.NodeOfStep} {
		if name != "" {
			set++
		}
	}
	switch {
	case set > 1:
		return field.ErrorList{field.Invalid(p, fmt.Sprintf("%d of them", set), "want at most one of node, nodeOf and nodeOfStep")}
	case set == 0 && !slices.Contains(aboutAll, t.action):
		return field.ErrorList{field.Required(p, "one of node, nodeOf and nodeOfStep")}
	case t.NodeOf != "":
		return validateName(t.NodeOf, p.Child("nodeOf"))
	}
	return nil
}

func validateWatch(w *WatchTarget, p *field.Path) field.ErrorList {
	return append(notEmpty(w.Component, p.Child("component")), notEmpty(w.Resource, p.Child("resource"))...)
}

func validateStorage(s *Storage, of *Scenario, p *field.Path) field.ErrorList {
	var errs field.ErrorList
	switch attached, ok := of.classes()[s.Class]; {
	case s.Class == "":
		errs = append(errs, field.Required(p.Child("class"), ""))
	case !ok:
		errs = append(errs, field.NotFound(p.Child("class"), s.Class))
	case !attached:
		errs = append(errs, field.Invalid(p.Child("class"), s.Class, "volumes of this class are not attached"))
	}
	if s.Attach == "" && s.Detach == "" {
		errs = append(errs, field.Required(p, "one of attach and detach, or both"))
	}
	for _, answer := range []struct {
		name string
		is   Answer
	}{{"attach", s.Attach}, {"detach", s.Detach}} {
		if answer.is != "" && !slices.Contains(answers, answer.is) {
			errs = append(errs, field.NotSupported(p.Child(answer.name), answer.is, answers))
		}
	}
	return errs
}

// nodeNames are those of all machines.
func nodeNames(s *Scenario) sets.Set[string] {
	names := sets.New[string]()
	if s.snapshot != nil {
		for _, node := range snapshot.Of[*corev1.Node](s.snapshot) {
			names.Insert(node.Name)
		}
	}
	for _, g := range s.Cluster.NodeGroups {
		for i := range min(g.Count, GroupNodesMax) {
			names.Insert(fmt.Sprintf("%s-%d", g.Name, i))
		}
	}
	return names
}

// validateName checks [namespace/]name.
func validateName(name string, p *field.Path) field.ErrorList {
	namespace, short := SplitName(name)
	return append(formed(namespace, p, validation.IsDNS1123Label), formed(short, p, validation.IsDNS1123Subdomain)...)
}

// formed reports what the rule finds wrong with a value that must not be empty.
func formed(value string, p *field.Path, rule func(string) []string) field.ErrorList {
	if value == "" {
		return field.ErrorList{field.Required(p, "")}
	}
	var errs field.ErrorList
	for _, message := range rule(value) {
		errs = append(errs, field.Invalid(p, value, message))
	}
	return errs
}

func notEmpty(value string, p *field.Path) field.ErrorList {
	return formed(value, p, func(string) []string { return nil })
}

func unique(seen sets.Set[string], value string, p *field.Path) field.ErrorList {
	if seen.Has(value) {
		return field.ErrorList{field.Duplicate(p, value)}
	}
	seen.Insert(value)
	return nil
}

func inRange(least, most int) string { return fmt.Sprintf("not in valid range [%d, %d]", least, most) }

func atMost(count, limit int, p *field.Path) field.ErrorList {
	if count > limit {
		return field.ErrorList{field.TooMany(p, count, limit)}
	}
	return nil
}

func notNegative[N int | int32 | int64](n *N, p *field.Path) field.ErrorList {
	if n != nil && *n < 0 {
		return field.ErrorList{field.Invalid(p, *n, "must not be negative")}
	}
	return nil
}
