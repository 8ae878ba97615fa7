package scenario

import (
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// What runs in the process that restartScheduler ends, by user agent.
const (
	componentScheduler = "kube-scheduler"
	componentGuard     = "holdfast-guard"
)

// More closed lists of the format.
var (
	taintEffects        = []corev1.TaintEffect{corev1.TaintEffectNoExecute, corev1.TaintEffectNoSchedule, corev1.TaintEffectPreferNoSchedule}
	schedulerComponents = []string{componentScheduler, componentGuard}
	requestVerbs        = []string{"get", "list", "watch", "create", "update", "patch", "delete"}
	// lostVerbs: an answer that has no end cannot get lost as a whole.
	lostVerbs = slices.DeleteFunc(slices.Clone(requestVerbs), func(verb string) bool { return verb == "watch" })
	// conflictVerbs are those of requests that can conflict.
	conflictVerbs = []string{"update", "patch"}
	directions    = []Direction{FromNode, ToNode}
	refusals      = []Refusal{Unavailable, TooManyRequests, Conflict}
)

// faultTargets are those of the faults of nodes, their links, kubelets and drivers, of
// operators and of remediation.
func (s *Step) faultTargets() []target {
	var targets []target
	add := func(t *NodeTarget, action string) {
		if t != nil {
			targets = append(targets, target{t, action})
		}
	}
	if k := s.RestartKubelet; k != nil {
		add(&k.NodeTarget, "restartKubelet")
	}
	add(s.Crash, "crash")
	add(s.PowerOn, "powerOn")
	if r := s.Reboot; r != nil {
		add(&r.NodeTarget, "reboot")
	}
	add(s.Terminate, "terminate")
	add(s.DeleteNode, "deleteNode")
	if t := s.Taint; t != nil {
		add(&t.NodeTarget, "taint")
	}
	if f := s.Freeze; f != nil {
		add(&f.NodeTarget, "freeze")
	}
	add(s.Thaw, "thaw")
	add(s.Replace, "replace")
	if o := s.PartitionOneWay; o != nil {
		add(&o.NodeTarget, "partitionOneWay")
	}
	if r := s.RestartDriver; r != nil {
		add(&r.NodeTarget, "restartDriver")
	}
	if c := s.Cordon; c != nil {
		add(&c.NodeTarget, "cordon")
	}
	add(s.Drain, "drain")
	if f := s.Fence; f != nil {
		add(&f.NodeTarget, "fence")
	}
	add(s.Unfence, "unfence")
	add(s.CutStorage, "cutStorage")
	add(s.HealStorage, "healStorage")
	add(s.HangRuntime, "hangRuntime")
	add(s.ResumeRuntime, "resumeRuntime")
	if l := s.SetAttachLimit; l != nil {
		add(&l.NodeTarget, "setAttachLimit")
	}
	if l := s.LagWatches; l != nil {
		add(&l.NodeTarget, "lagWatches")
	}
	if c := s.SetClock; c != nil {
		add(&c.NodeTarget, "setClock")
	}
	return targets
}

// needsHoldfast is the action that makes no sense under the default scheduler, and
// why; empty if the step has none.
func (s *Step) needsHoldfast() (action, why string) {
	switch {
	case s.Attest != nil:
		return "attest", "the default scheduler keeps no record to attest in"
	case s.DeleteTenancy != nil:
		return "deleteTenancy", "the default scheduler keeps no record to delete"
	case s.RestartScheduler != nil && s.RestartScheduler.OnRequest != nil && s.RestartScheduler.OnRequest.Component == componentGuard:
		return "restartScheduler", "the default scheduler has no guard to wait for"
	case s.LoseAnswer != nil && s.LoseAnswer.ofGuard():
		return "loseAnswer", "the default scheduler has no guard to wait for"
	case s.LoseRequest != nil && s.LoseRequest.ofGuard():
		return "loseRequest", "the default scheduler has no guard to wait for"
	}
	return "", ""
}

func (r *LostRequest) ofGuard() bool { return strings.HasPrefix(r.Component, componentGuard) }

// validateAPI checks the requests that get lost or are refused, and the watches that end.
func validateAPI(s *Step, p *field.Path) field.ErrorList {
	var errs field.ErrorList
	for _, lost := range []struct {
		action  string
		request *LostRequest
	}{{"loseAnswer", s.LoseAnswer}, {"loseRequest", s.LoseRequest}} {
		r, p := lost.request, p.Child(lost.action)
		if r == nil {
			continue
		}
		errs = append(errs, notEmpty(r.Component, p.Child("component"))...)
		if !slices.Contains(lostVerbs, r.Verb) {
			errs = append(errs, field.NotSupported(p.Child("verb"), r.Verb, lostVerbs))
		}
		errs = append(errs, notEmpty(r.Resource, p.Child("resource"))...)
		if d := r.ErrorAfter; d != nil && d.Duration < 0 {
			errs = append(errs, field.Invalid(p.Child("errorAfter"), d.Duration.String(), "must not be negative"))
		}
		if lands := p.Child("landsAfter"); r.LandsAfter != nil && r == s.LoseRequest {
			errs = append(errs, field.Forbidden(lands, "a request that is lost never lands"))
		} else {
			errs = append(errs, validateTimer(r.LandsAfter, lands)...)
		}
	}
	if r := s.Refuse; r != nil {
		errs = append(errs, validateRefuse(r, p.Child("refuse"))...)
	}
	if d := s.DropWatch; d != nil {
		p := p.Child("dropWatch")
		errs = append(errs, notEmpty(d.Component, p.Child("component"))...)
		errs = append(errs, notEmpty(d.Resource, p.Child("resource"))...)
	}
	return errs
}

func validateRefuse(r *Refuse, p *field.Path) field.ErrorList {
	errs := validateTimer(&r.For, p.Child("for"))
	if !slices.Contains(refusals, r.With) {
		errs = append(errs, field.NotSupported(p.Child("with"), r.With, refusals))
	}
	switch {
	case r.With == Conflict && !slices.Contains(conflictVerbs, r.Verb):
		errs = append(errs, field.NotSupported(p.Child("verb"), r.Verb, conflictVerbs))
	case r.Verb != "" && !slices.Contains(requestVerbs, r.Verb):
		errs = append(errs, field.NotSupported(p.Child("verb"), r.Verb, requestVerbs))
	}
	return errs
}

// validateFault checks what the faults of nodes, their links, kubelets and drivers, of
// operators, the scheduler and remediation say besides their target.
func validateFault(s *Step, p *field.Path) field.ErrorList {
	var errs field.ErrorList
	if k := s.RestartKubelet; k != nil {
		p := p.Child("restartKubelet")
		errs = append(errs, validateDownFor(k.DownFor, p)...)
		if k.LooksAfter.Duration < 0 {
			errs = append(errs, field.Invalid(p.Child("looksAfter"), k.LooksAfter.Duration.String(), "must not be negative"))
		}
		for i, pod := range k.Rejects {
			errs = append(errs, validateName(pod, p.Child("rejects").Index(i))...)
		}
	}
	if r := s.Reboot; r != nil {
		errs = append(errs, validateDownFor(r.DownFor, p.Child("reboot"))...)
	}
	if t := s.Taint; t != nil {
		errs = append(errs, validateTaint(t, p.Child("taint"))...)
	}
	for _, of := range []struct {
		action string
		target *PodTarget
	}{
		{"delete", s.Delete}, {"stripFinalizers", s.StripFinalizers},
		{"stickContainers", s.StickContainers}, {"freeContainers", s.FreeContainers}, {"lieAboutStop", s.LieAboutStop},
	} {
		if of.target != nil {
			errs = append(errs, validateName(of.target.Pod, p.Child(of.action, "pod"))...)
		}
	}
	if l := s.SetAttachLimit; l != nil && (l.Limit < 1 || l.Limit > AttachLimitMax) {
		errs = append(errs, field.Invalid(p.Child("setAttachLimit", "limit"), l.Limit, inRange(1, AttachLimitMax)))
	}
	if l := s.LagWatches; l != nil && l.By.Duration < 0 {
		errs = append(errs, field.Invalid(p.Child("lagWatches", "by"), l.By.Duration.String(), "must not be negative"))
	}
	if c := s.SetClock; c != nil && c.GainsPerMinute.Abs() >= time.Minute {
		errs = append(errs, field.Invalid(p.Child("setClock", "gainsPerMinute"), c.GainsPerMinute.Duration.String(), "must be less than a minute to either side"))
	}
	if d := s.DeleteTenancy; d != nil {
		errs = append(errs, validateName(d.Pod, p.Child("deleteTenancy", "pod"))...)
	}
	if r := s.RestartScheduler; r != nil {
		p := p.Child("restartScheduler")
		errs = append(errs, validateDownFor(r.DownFor, p)...)
		if r.OnRequest != nil {
			errs = append(errs, validateRequest(r.OnRequest, p.Child("onRequest"))...)
		}
	}
	if r := s.StartScheduler; r != nil {
		errs = append(errs, validateTimer(r.RunsFor, p.Child("startScheduler", "runsFor"))...)
	}
	if o := s.PartitionOneWay; o != nil && !slices.Contains(directions, o.Lost) {
		errs = append(errs, field.NotSupported(p.Child("partitionOneWay", "lost"), o.Lost, directions))
	}
	if k := s.KillContainers; k != nil {
		p := p.Child("killContainers")
		errs = append(errs, validateName(k.Pod, p.Child("pod"))...)
		if k.ExitCode != nil && (*k.ExitCode < 0 || *k.ExitCode > 255) {
			errs = append(errs, field.Invalid(p.Child("exitCode"), *k.ExitCode, inRange(0, 255)))
		}
		errs = append(errs, validateTimer(k.AgainAfter, p.Child("againAfter"))...)
	}
	if r := s.RestartDriver; r != nil {
		errs = append(errs, validateDownFor(r.DownFor, p.Child("restartDriver"))...)
	}
	if f := s.Fence; f != nil && f.Fails && f.Hits != "" {
		errs = append(errs, field.Forbidden(p.Child("fence", "hits"), "a fence that fails hits nobody"))
	}
	return errs
}

func validateDownFor(d *metav1.Duration, p *field.Path) field.ErrorList {
	if d != nil && d.Duration < 0 {
		return field.ErrorList{field.Invalid(p.Child("downFor"), d.Duration.String(), "must not be negative")}
	}
	return nil
}

func validateTaint(t *Taint, p *field.Path) field.ErrorList {
	errs := formed(t.Key, p.Child("key"), validation.IsQualifiedName)
	for _, message := range validation.IsValidLabelValue(t.Value) {
		errs = append(errs, field.Invalid(p.Child("value"), t.Value, message))
	}
	if !slices.Contains(taintEffects, t.Effect) {
		errs = append(errs, field.NotSupported(p.Child("effect"), t.Effect, taintEffects))
	}
	return errs
}

func validateRequest(r *Request, p *field.Path) field.ErrorList {
	var errs field.ErrorList
	if !slices.Contains(schedulerComponents, r.Component) {
		errs = append(errs, field.NotSupported(p.Child("component"), r.Component, schedulerComponents))
	}
	if !slices.Contains(requestVerbs, r.Verb) {
		errs = append(errs, field.NotSupported(p.Child("verb"), r.Verb, requestVerbs))
	}
	return append(errs, notEmpty(r.Resource, p.Child("resource"))...)
}
