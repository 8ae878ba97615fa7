package campaign

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
)

// JournalName is the file in a campaign's folder that has a line for each run under each
// scheduler, as it ended.
const JournalName = "runs.jsonl"

// JournalError says why a campaign cannot use the journal in its folder: there is one that
// was not asked for, or one of something else. Nothing was played.
type JournalError struct{ message string }

func (e *JournalError) Error() string { return e.message }

// journal is what is known of the runs that have ended. One without a file remembers
// nothing.
type journal struct {
	mu     sync.Mutex
	file   *os.File
	before map[task]*Outcome
}

// openJournal reads what is there of a journal and goes on behind it. The end of a line
// that was not written to its end is cut off: that run is played again.
func openJournal(folder string, resume bool) (*journal, error) {
	j := &journal{before: map[task]*Outcome{}}
	if folder == "" {
		return j, nil
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return nil, err
	}
	name := filepath.Join(folder, JournalName)
	data, err := os.ReadFile(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, err
	case !resume:
		return nil, &JournalError{name + " is there already: go on with --resume, or take another folder"}
	}
	whole := data[:bytes.LastIndexByte(data, '\n')+1]
	for i, line := range bytes.Split(bytes.TrimSuffix(whole, []byte("\n")), []byte("\n")) {
		if len(line) == 0 {
			continue
		}
		o := &Outcome{}
		if err := json.Unmarshal(line, o); err != nil {
			return nil, &JournalError{fmt.Sprintf("%s:%d: %v", name, i+1, err)}
		}
		j.before[task{o.Run, o.Scheduler}] = o
	}
	if j.file, err = os.OpenFile(name, os.O_CREATE|os.O_WRONLY, 0o644); err != nil {
		return nil, err
	}
	if err := j.file.Truncate(int64(len(whole))); err != nil {
		return nil, err
	}
	_, err = j.file.Seek(0, 2)
	return j, err
}

// find is the outcome of a run that ended before; nil: none did. It is an error if that
// was a run of another plan.
func (j *journal) find(o *Outcome) (*Outcome, error) {
	before := j.before[task{o.Run, o.Scheduler}]
	if before != nil && (before.Seed != o.Seed || before.Plan != o.Plan) {
		return nil, &JournalError{fmt.Sprintf("%s has run %d of seed %d with another plan: take another folder", JournalName, before.Run, before.Seed)}
	}
	return before, nil
}

func (j *journal) add(o *Outcome) error {
	if j.file == nil {
		return nil
	}
	line, err := json.Marshal(o)
	if err != nil {
		return err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	_, err = j.file.Write(append(line, '\n'))
	return err
}

func (j *journal) close() {
	if j.file != nil {
		_ = j.file.Close() // Every line was written before.
	}
}
