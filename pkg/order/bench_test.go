package order

import (
	"testing"

	"github.com/holdfast-dev/holdfast/pkg/apis/config"
	"github.com/holdfast-dev/holdfast/pkg/identity"
)

func BenchmarkTurn(b *testing.B) {
	f := Facts{Identity: identity.Identity{Namespace: "default", Set: "web", Ordinal: 7}, First: new(int32), Policy: Policy{Order: config.BindOrdinal}}
	b.Run("waits", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if !Judge(f).Waits {
				b.Fatal("wrong")
			}
		}
	})
	f.Predecessor.BoundOnce = true
	b.Run("comes", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if Judge(f).Waits {
				b.Fatal("wrong")
			}
		}
	})
}
