package scenario

// Action is the name of what the step does, as the format has it: partition. Empty if
// it does nothing, which validation refuses.
func (s *Step) Action() string {
	if actions := s.actions(); len(actions) > 0 {
		return actions[0]
	}
	return ""
}
