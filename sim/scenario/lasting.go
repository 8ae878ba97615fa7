package scenario

// endedBy says which actions last, and which action ends them. The same action ends
// what it had begun where it is given the opposite: storage that works, a taint taken.
var endedBy = map[string]string{
	"partition":  "heal",
	"crash":      "powerOn",
	"stallWatch": "resumeWatch",

	"freeze":          "thaw",
	"partitionOneWay": "heal",
	"fence":           "unfence",
	"cutStorage":      "healStorage",
	"stickContainers": "freeContainers",
	"hangRuntime":     "resumeRuntime",
}

// EndedBy is the action that ends what this one begins; empty: it does not last, or the
// same action ends it.
func EndedBy(action string) (end string) { return endedBy[action] }

// Ends tells whether an action does nothing but end what another one began.
func Ends(action string) bool {
	for _, end := range endedBy {
		if end == action {
			return true
		}
	}
	return false
}

// Lasting says of a step whether it lasts until another one, and whether it undoes an
// earlier one of its own kind.
func (s *Step) Lasting() (undoes, lasts bool) {
	switch {
	case s.Storage != nil:
		works := func(a Answer) bool { return a == "" || a == Work }
		return true, !works(s.Storage.Attach) || !works(s.Storage.Detach)
	case s.Cordon != nil:
		return s.Cordon.Undo, !s.Cordon.Undo
	case s.Taint != nil:
		return s.Taint.Remove, !s.Taint.Remove
	case s.StartScheduler != nil:
		return false, s.StartScheduler.RunsFor == nil
	case s.LagWatches != nil:
		return true, s.LagWatches.By.Duration != 0
	case s.SetClock != nil:
		return true, s.SetClock.Ahead.Duration != 0 || s.SetClock.GainsPerMinute.Duration != 0
	}
	return false, EndedBy(s.Action()) != ""
}
