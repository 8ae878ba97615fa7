package scenario

import (
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

func validateExpect(s *Scenario, p *field.Path) field.ErrorList {
	var errs field.ErrorList
	for _, scheduler := range sets.List(sets.KeySet(s.Expect)) {
		p := p.Key(string(scheduler))
		if !slices.Contains(Schedulers(), scheduler) {
			errs = append(errs, field.NotSupported(p, scheduler, Schedulers()))
			continue
		}
		e := s.Expect[scheduler]
		errs = append(errs, validateViolations(e.Violations, s.Until.Duration, p.Child("violations"))...)
		errs = append(errs, validateMet(e.PreconditionsMet, p.Child("preconditionsMet"))...)
		errs = append(errs, validateOrdinals(e.Ordinals, s.Until.Duration, p.Child("ordinals"))...)
		errs = append(errs, validateHolds(e.Holds, s.Until.Duration, p.Child("holds"))...)
		errs = append(errs, notNegative(e.SchedulingAttemptsWhileHeldMax, p.Child("schedulingAttemptsWhileHeldMax"))...)
		errs = append(errs, validateBindOrder(e.BindOrder, p.Child("bindOrder"))...)
		errs = append(errs, validateEvents(e.Events, s.Until.Duration, p.Child("events"))...)
		errs = append(errs, validatePromises(&e, s.Until.Duration, p)...)
		if len(s.Schedulers) > 0 && !slices.Contains(s.Schedulers, scheduler) {
			errs = append(errs, field.Forbidden(p, "the scenario is limited to other schedulers"))
		}
	}
	return errs
}

func validateMet(ids []string, p *field.Path) field.ErrorList {
	var errs field.ErrorList
	once := sets.New[string]()
	for i, id := range ids {
		if !slices.Contains(invariants, id) {
			errs = append(errs, field.NotSupported(p.Index(i), id, invariants))
		}
		errs = append(errs, unique(once, id, p.Index(i))...)
	}
	return errs
}

func validateBindOrder(ordinals []string, p *field.Path) field.ErrorList {
	errs := validateNames(ordinals, 0, p)
	if len(ordinals) == 1 {
		errs = append(errs, field.Invalid(p, ordinals[0], "one ordinal has no order"))
	}
	return errs
}

// validateEvents: of a kind without a namespace the events are in default.
func validateEvents(events []Event, until time.Duration, p *field.Path) field.ErrorList {
	errs := atMost(len(events), ExpectationsMax, p)
	for i := range events {
		e, p := &events[i], p.Index(i)
		errs = append(errs, notEmpty(e.Reason, p.Child("reason"))...)
		errs = append(errs, notEmpty(e.Kind, p.Child("kind"))...)
		errs = append(errs, validateName(e.Name, p.Child("name"))...)
		errs = append(errs, validateMoment(e.First, until, p.Child("first"))...)
	}
	return errs
}

func validateViolations(violations []Violation, until time.Duration, p *field.Path) field.ErrorList {
	errs := atMost(len(violations), ExpectationsMax, p)
	for i := range violations {
		v, p := &violations[i], p.Index(i)
		if !slices.Contains(invariants, v.Invariant) {
			errs = append(errs, field.NotSupported(p.Child("invariant"), v.Invariant, invariants))
		}
		errs = append(errs, validateName(v.By, p.Child("by"))...)
		errs = append(errs, validateOutside(v, p.Child("outside"))...)
		errs = append(errs, validateFromTo(v.From, v.To, until, p)...)
	}
	return errs
}

// validateOutside: S3 is about proofs, and no assertion excuses a false one; nor what was
// written that must not be.
func validateOutside(v *Violation, p *field.Path) field.ErrorList {
	switch {
	case v.Outside == "":
		return nil
	case !slices.Contains(outsideKinds(), v.Outside):
		return field.ErrorList{field.NotSupported(p, v.Outside, outsideKinds())}
	case slices.Contains(invariants, v.Invariant) && !slices.Contains(worldly, v.Invariant):
		return field.ErrorList{field.Forbidden(p, v.Invariant+" is never outside the trust boundary")}
	}
	return nil
}

func validateOrdinals(ordinals []Ordinal, until time.Duration, p *field.Path) field.ErrorList {
	errs := atMost(len(ordinals), ExpectationsMax, p)
	names := sets.New[string]()
	for i := range ordinals {
		o, p := &ordinals[i], p.Index(i)
		errs = append(errs, validateName(o.Name, p.Child("name"))...)
		errs = append(errs, unique(names, QualifiedName(o.Name), p.Child("name"))...)
		if o.State != "" && !slices.Contains(ordinalStates, o.State) {
			errs = append(errs, field.NotSupported(p.Child("state"), o.State, ordinalStates))
		}
		errs = append(errs, notNegative(o.Incarnations, p.Child("incarnations"))...)
		errs = append(errs, validateMoment(o.LastStart, until, p.Child("lastStart"))...)
		errs = append(errs, validateSpan(o.Down, p.Child("down"))...)
		errs = append(errs, validateSpan(o.Twice, p.Child("twice"))...)
		errs = append(errs, notNegative(o.Restarts, p.Child("restarts"))...)
		errs = append(errs, validateSpan(o.Stops, p.Child("stops"))...)
	}
	return errs
}

func validateHolds(holds []Hold, until time.Duration, p *field.Path) field.ErrorList {
	errs := atMost(len(holds), ExpectationsMax, p)
	for i := range holds {
		h, p := &holds[i], p.Index(i)
		errs = append(errs, validateName(h.Ordinal, p.Child("ordinal"))...)
		if !slices.Contains(holderNames, h.By) {
			errs = append(errs, field.NotSupported(p.Child("by"), h.By, holderNames))
		}
		if h.Evidence != "" && !slices.Contains(evidenceKinds, h.Evidence) {
			errs = append(errs, field.NotSupported(p.Child("evidence"), h.Evidence, evidenceKinds))
		}
		// Nothing but evidence releases (docs/design.md, section 2).
		if h.To != nil && h.Evidence == "" {
			errs = append(errs, field.Required(p.Child("evidence"), "a hold that ends is released by evidence"))
		}
		errs = append(errs, validateFromTo(h.From, h.To, until, p)...)
	}
	return errs
}

func validateFromTo(from, to *Moment, until time.Duration, p *field.Path) field.ErrorList {
	errs := append(validateMoment(from, until, p.Child("from")), validateMoment(to, until, p.Child("to"))...)
	if from != nil && to != nil && from.At.Duration > to.At.Duration {
		errs = append(errs, field.Invalid(p.Child("to", "at"), to.At.Duration.String(), "must not be before from"))
	}
	return errs
}

// validateMoment: a moment that lies after the run can never be seen.
func validateMoment(m *Moment, until time.Duration, p *field.Path) field.ErrorList {
	if m == nil {
		return nil
	}
	errs := validateTime(&m.At, until, p.Child("at"))
	return append(errs, validateLength(m.Within.Duration, p.Child("within"))...)
}

func validateSpan(s *Span, p *field.Path) field.ErrorList {
	if s == nil {
		return nil
	}
	errs := append(validateLength(s.Min.Duration, p.Child("min")), validateLength(s.Max.Duration, p.Child("max"))...)
	if s.Min.Duration > s.Max.Duration {
		errs = append(errs, field.Invalid(p.Child("min"), s.Min.Duration.String(), "must not be more than max"))
	}
	return errs
}

func validateLength(d time.Duration, p *field.Path) field.ErrorList {
	if d < 0 {
		return field.ErrorList{field.Invalid(p, d.String(), "must not be negative")}
	}
	return nil
}
