package report

// notes are what was assumed of a snapshot: the reader must know what the rest
// stands on.
func (p *printer) notes(r *Run) {
	if len(r.Notes) == 0 {
		return
	}
	p.line("Of the snapshot:")
	for _, note := range r.Notes {
		for i, line := range wrap(note, detailWidth) {
			if i == 0 {
				p.line("  - " + line)
			} else {
				p.line("    " + line)
			}
		}
	}
	p.line("")
}
