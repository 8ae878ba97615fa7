package snapshot

import (
	"reflect"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

var (
	timeType      = reflect.TypeFor[metav1.Time]()
	microTimeType = reflect.TypeFor[metav1.MicroTime]()
)

// Taken is the latest time that an object tells of, close to which the snapshot was
// made; zero if none tells of any. When a deletion may be finished lies ahead.
func (c *Cluster) Taken() time.Time {
	var latest time.Time
	for _, o := range c.Objects {
		due := o.GetDeletionTimestamp()
		o.SetDeletionTimestamp(nil)
		eachTime(reflect.ValueOf(o), func(t *time.Time) {
			if t.After(latest) {
				latest = *t
			}
		})
		o.SetDeletionTimestamp(due)
	}
	return latest
}

// Shift moves every time of every object, so that they are as far from another
// moment as they were from the one when the snapshot was made.
func (c *Cluster) Shift(by time.Duration) {
	for _, o := range c.Objects {
		eachTime(reflect.ValueOf(o), func(t *time.Time) { *t = t.Add(by) })
	}
}

// eachTime calls f for every time that is set in a value of an API type.
func eachTime(v reflect.Value, f func(*time.Time)) {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			eachTime(v.Elem(), f)
		}
	case reflect.Struct:
		if v.Type() == timeType || v.Type() == microTimeType {
			if t := v.Field(0).Addr().Interface().(*time.Time); !t.IsZero() {
				f(t)
			}
			return
		}
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				eachTime(v.Field(i), f)
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			eachTime(v.Index(i), f)
		}
	}
	// No API type has times in the values of a map.
}
