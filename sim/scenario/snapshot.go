package scenario

import (
	"path/filepath"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/holdfast-dev/holdfast/sim/snapshot"
)

// Snapshot is a copy of the cluster that cluster.from has; nil: there is none.
func (s *Scenario) Snapshot() *snapshot.Cluster {
	if s.snapshot == nil {
		return nil
	}
	return s.snapshot.DeepCopy()
}

// readSnapshot reads the files of cluster.from.
func (s *Scenario) readSnapshot(line func(path string) int) *Problem {
	if len(s.Cluster.From) == 0 {
		return nil
	}
	var paths []string
	for _, path := range s.Cluster.From {
		if !filepath.IsAbs(path) {
			path = filepath.Join(filepath.Dir(s.file), path)
		}
		paths = append(paths, path)
	}
	var err error
	if s.snapshot, err = snapshot.ReadFiles(paths...); err != nil {
		from := pathString(field.NewPath("cluster", "from"))
		return &Problem{File: s.file, Line: line(from), Field: from, Message: err.Error()}
	}
	return nil
}

// classes are the names of the storage classes, and whether their volumes are attached.
func (s *Scenario) classes() map[string]bool {
	classes := map[string]bool{}
	for i := range s.Cluster.StorageClasses {
		classes[s.Cluster.StorageClasses[i].Name] = s.Cluster.StorageClasses[i].attached()
	}
	if s.snapshot != nil {
		for _, class := range s.snapshot.Classes() {
			classes[class.Name] = class.Driver.AttachRequired
		}
	}
	return classes
}

// validateFrom: a snapshot has its machines and its storage, and says nothing of the
// cloud that its machines are rented from.
func validateFrom(c *Cluster, p *field.Path) field.ErrorList {
	var errs field.ErrorList
	for _, f := range []struct {
		name string
		set  bool
	}{
		{"nodeGroups", len(c.NodeGroups) > 0}, {"storageClasses", len(c.StorageClasses) > 0}, {"cloud", c.Cloud},
	} {
		if f.set {
			errs = append(errs, field.Forbidden(p.Child(f.name), "the cluster is that of from"))
		}
	}
	for i, file := range c.From {
		errs = append(errs, notEmpty(file, p.Child("from").Index(i))...)
	}
	return errs
}
