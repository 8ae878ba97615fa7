package scenario

import (
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// DefaultExitCode is that of a process that got SIGKILL.
const DefaultExitCode int32 = 137

// The closed lists of these steps.
var (
	directions = []Direction{FromNode, ToNode}
	refusals   = []Refusal{Unavailable, TooManyRequests, Conflict}
	// conflictVerbs are those of requests that can conflict.
	conflictVerbs = []string{"update", "patch"}
)

// moreTargets are those of the faults in this file.
func (s *Step) moreTargets() []target {
	var targets []target
	for _, t := range []target{{s.Thaw, "thaw"}, {s.Replace, "replace"}, {s.Drain, "drain"}, {s.Unfence, "unfence"}} {
		if t.NodeTarget != nil {
			targets = append(targets, t)
		}
	}
	if s.Freeze != nil {
		targets = append(targets, target{&s.Freeze.NodeTarget, "freeze"})
	}
	if s.PartitionOneWay != nil {
		targets = append(targets, target{&s.PartitionOneWay.NodeTarget, "partitionOneWay"})
	}
	if s.RestartDriver != nil {
		targets = append(targets, target{&s.RestartDriver.NodeTarget, "restartDriver"})
	}
	if s.Cordon != nil {
		targets = append(targets, target{&s.Cordon.NodeTarget, "cordon"})
	}
	if s.Fence != nil {
		targets = append(targets, target{&s.Fence.NodeTarget, "fence"})
	}
	return targets
}

func setMoreDefaults(s *Step) {
	if k := s.KillContainers; k != nil && k.ExitCode == nil {
		k.ExitCode = new(DefaultExitCode)
	}
	if r := s.RestartDriver; r != nil && r.DownFor == nil {
		r.DownFor = &metav1.Duration{Duration: DefaultRebootDownFor}
	}
}

func validateMore(s *Step, p *field.Path) field.ErrorList {
	var errs field.ErrorList
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
	if r := s.Refuse; r != nil {
		errs = append(errs, validateRefuse(r, p.Child("refuse"))...)
	}
	if d := s.DropWatch; d != nil {
		p := p.Child("dropWatch")
		errs = append(errs, notEmpty(d.Component, p.Child("component"))...)
		errs = append(errs, notEmpty(d.Resource, p.Child("resource"))...)
	}
	if r := s.RestartDriver; r != nil {
		errs = append(errs, validateDownFor(r.DownFor, p.Child("restartDriver"))...)
	}
	if f := s.Fence; f != nil && f.Fails && f.Hits != "" {
		errs = append(errs, field.Forbidden(p.Child("fence", "hits"), "a fence that fails hits nobody"))
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

func (s *Step) describeMore() string {
	switch {
	case s.Freeze != nil && s.Freeze.KubeletOnly:
		return "hang the kubelet of " + s.Freeze.describe()
	case s.Freeze != nil:
		return "freeze " + s.Freeze.describe()
	case s.Thaw != nil:
		return "thaw " + s.Thaw.describe()
	case s.Replace != nil:
		return "replace the machine of " + s.Replace.describe()
	case s.PartitionOneWay != nil && s.PartitionOneWay.Lost == FromNode:
		return "lose what is sent by " + s.PartitionOneWay.describe()
	case s.PartitionOneWay != nil:
		return "lose what is sent to " + s.PartitionOneWay.describe()
	case s.KillContainers != nil && s.KillContainers.AgainAfter != nil:
		return fmt.Sprintf("kill the containers of %s, again after %s each time", s.KillContainers.Pod, words(s.KillContainers.AgainAfter))
	case s.KillContainers != nil:
		return "kill the containers of " + s.KillContainers.Pod
	case s.Refuse != nil:
		return s.Refuse.describe()
	case s.DropWatch != nil && s.DropWatch.Expired:
		return fmt.Sprintf("end %s's watch of %s, its history compacted", s.DropWatch.Component, s.DropWatch.Resource)
	case s.DropWatch != nil:
		return fmt.Sprintf("end %s's watch of %s", s.DropWatch.Component, s.DropWatch.Resource)
	case s.RestartDriver != nil:
		return fmt.Sprintf("restart the CSI drivers of %s, away for %s", s.RestartDriver.describe(), words(s.RestartDriver.DownFor))
	case s.Cordon != nil && s.Cordon.Undo:
		return "uncordon " + s.Cordon.describe()
	case s.Cordon != nil:
		return "cordon " + s.Cordon.describe()
	case s.Drain != nil:
		return "drain " + s.Drain.describe()
	case s.Fence != nil && s.Fence.Fails:
		return "fence " + s.Fence.describe() + ", which fails and is reported done"
	case s.Fence != nil && s.Fence.Hits != "":
		return fmt.Sprintf("fence %s, which hits %s", s.Fence.describe(), s.Fence.Hits)
	case s.Fence != nil:
		return "fence " + s.Fence.describe()
	case s.Unfence != nil:
		return "end the fence of " + s.Unfence.describe()
	}
	return ""
}

func (r *Refuse) describe() string {
	said := []string{"refuse"}
	if r.Verb != "" {
		said = append(said, r.Verb)
	} else {
		said = append(said, "everything")
	}
	if r.Resource != "" {
		said = append(said, "of "+r.Resource)
	}
	if r.Component != "" {
		said = append(said, "by "+r.Component)
	}
	return fmt.Sprintf("%s with %s for %s", strings.Join(said, " "), r.With, r.For.Duration)
}
