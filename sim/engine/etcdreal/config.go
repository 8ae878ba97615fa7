package etcdreal

import (
	"cmp"
	"net/url"
	"time"

	"go.etcd.io/bbolt"
	"go.etcd.io/etcd/client/pkg/v3/types"
	"go.etcd.io/etcd/server/v3/config"
	"go.etcd.io/etcd/server/v3/etcdserver"
	"go.etcd.io/etcd/server/v3/features"
	"go.uber.org/zap"
)

const (
	name = "default"
	// token keeps members of different clusters apart; there is one cluster.
	token = "holdfast"
	// address is the only member's. It is written down and compared, never dialled.
	address = "127.0.0.1:2380"
)

// serverConfig is what etcd makes of its flags when none is given (server/embed/
// config.go, NewConfig), but for two: a crash of the machine may cost the data, which
// dies with the run anyhow; and no port is named for clients, which need none.
func serverConfig(data string, progressInterval time.Duration, logger *zap.Logger) config.ServerConfig {
	peers := types.URLs{url.URL{Scheme: "http", Host: address}}
	return config.ServerConfig{
		Name:                name,
		DataDir:             data,
		PeerURLs:            peers,
		InitialPeerURLsMap:  types.URLsMap{name: peers},
		InitialClusterToken: token,
		NewCluster:          true,
		StrictReconfigCheck: true,

		TickMs:                     100,
		ElectionTicks:              10,
		InitialElectionTickAdvance: true,
		PreVote:                    true,

		UnsafeNoFsync:          true,
		SnapshotCount:          etcdserver.DefaultSnapshotCount,
		SnapshotCatchUpEntries: etcdserver.DefaultSnapshotCatchUpEntries,
		MaxSnapFiles:           5,
		MaxWALFiles:            5,
		BackendFreelistType:    bbolt.FreelistMapType,

		MaxTxnOps:               128,
		MaxRequestBytes:         1536 << 10,
		MaxLearners:             1,
		CompactionBatchLimit:    1000,
		CompactionSleepInterval: 10 * time.Millisecond,
		CompactHashCheckTime:    time.Minute,
		DowngradeCheckTime:      5 * time.Second,

		WarningApplyDuration:        100 * time.Millisecond,
		WarningUnaryRequestDuration: 300 * time.Millisecond,
		WatchProgressNotifyInterval: cmp.Or(progressInterval, 10*time.Minute),

		AuthToken:         "simple",
		BcryptCost:        10,
		TokenTTL:          300,
		V2Deprecation:     config.V2DeprDefault,
		Metrics:           "basic",
		Logger:            logger,
		ServerFeatureGate: features.NewDefaultServerFeatureGate(name, logger),
	}
}
