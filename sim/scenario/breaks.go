package scenario

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"
)

// Broken is the scenario with the steps of its i-th break in the timeline, for the
// scheduler that the break is meant for.
func (s *Scenario) Broken(i int) *Scenario {
	b := &s.Breaks[i]
	broken := *s
	broken.Breaks = nil
	broken.Schedulers = []Scheduler{b.Under}
	broken.Timeline = slices.Concat(s.Timeline, b.Steps)
	return &broken
}

// Kinds are those of all objects that the scenario makes, sorted: at its beginning, by
// its steps, and in its snapshot.
func (s *Scenario) Kinds() ([]string, error) {
	objects, err := s.Decode()
	if err != nil {
		return nil, err
	}
	for i := range s.Timeline {
		if s.Timeline[i].Apply == nil {
			continue
		}
		applied, err := s.DecodeObject(s.Timeline[i].Apply)
		if err != nil {
			return nil, err
		}
		objects = append(objects, applied...)
	}
	var kinds []string
	for _, o := range objects {
		kinds = append(kinds, o.GetObjectKind().GroupVersionKind().Kind)
	}
	if s.snapshot != nil {
		for _, o := range s.snapshot.Objects {
			kinds = append(kinds, o.GetObjectKind().GroupVersionKind().Kind)
		}
	}
	slices.Sort(kinds)
	return slices.Compact(kinds), nil
}

// applied is an object of an apply step, and where it stands.
type applied struct {
	object *Object
	path   *field.Path
}

// applies are those of the timeline and of the breaks.
func (s *Scenario) applies() []applied {
	var all []applied
	add := func(steps []Step, p *field.Path) {
		for i := range steps {
			if o := steps[i].Apply; o != nil {
				all = append(all, applied{o, p.Index(i).Child("apply")})
			}
		}
	}
	add(s.Timeline, field.NewPath("timeline"))
	for i := range s.Breaks {
		add(s.Breaks[i].Steps, stepsPath(i))
	}
	return all
}

func stepsPath(i int) *field.Path { return field.NewPath("breaks").Index(i).Child("steps") }

func validateBreaks(s *Scenario, p *field.Path) field.ErrorList {
	errs := atMost(len(s.Breaks), BreaksMax, p)
	for i := range s.Breaks {
		b, p := &s.Breaks[i], p.Index(i)
		if !slices.Contains(Schedulers(), b.Under) {
			errs = append(errs, field.NotSupported(p.Child("under"), b.Under, Schedulers()))
			continue
		}
		if !slices.Contains(s.PlayedBy(), b.Under) {
			errs = append(errs, field.Invalid(p.Child("under"), b.Under, "the scenario is limited to other schedulers"))
		}
		if len(b.Steps) == 0 {
			errs = append(errs, field.Required(p.Child("steps"), "without a step nothing breaks"))
		}
		if len(b.Fails) == 0 {
			errs = append(errs, field.Required(p.Child("fails"), "the checks that must fail"))
		}
		errs = append(errs, atMost(len(b.Fails), ExpectationsMax, p.Child("fails"))...)
		for j, check := range b.Fails {
			errs = append(errs, notEmpty(check, p.Child("fails").Index(j))...)
		}
		errs = append(errs, validateBreakSteps(s, i)...)
	}
	return errs
}

// validateBreakSteps checks the steps where they are played: at the end of the timeline.
// What is wrong with the timeline itself is told of there.
func validateBreakSteps(s *Scenario, i int) field.ErrorList {
	var errs field.ErrorList
	broken := s.Broken(i)
	for _, err := range validateTimeline(broken, field.NewPath("timeline")) {
		for j := range s.Breaks[i].Steps {
			there := field.NewPath("timeline").Index(len(s.Timeline) + j).String()
			if rest, ok := strings.CutPrefix(err.Field, there); ok {
				err.Field = stepsPath(i).Index(j).String() + rest
				errs = append(errs, err)
			}
		}
		if err.Type == field.ErrorTypeTooMany && err.Field == "timeline" && len(s.Timeline) <= StepsMax {
			errs = append(errs, field.Invalid(stepsPath(i), len(s.Breaks[i].Steps), fmt.Sprintf("with the timeline more than %d steps", StepsMax)))
		}
	}
	return errs
}
