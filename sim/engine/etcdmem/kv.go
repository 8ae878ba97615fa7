package etcdmem

import (
	"context"
	"io"
	"slices"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc"
	"google.golang.org/grpc/status"
)

// kvClient is etcd's KV service, called directly.
type kvClient struct{ store *Store }

var _ pb.KVClient = kvClient{}

// Range implements pb.KVClient.
func (c kvClient) Range(ctx context.Context, r *pb.RangeRequest, _ ...grpc.CallOption) (*pb.RangeResponse, error) {
	leave, err := c.store.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	if err := c.store.checkRange(r); err != nil {
		return nil, err
	}
	return c.store.doRange(r), nil
}

// Put implements pb.KVClient.
func (c kvClient) Put(ctx context.Context, r *pb.PutRequest, _ ...grpc.CallOption) (*pb.PutResponse, error) {
	resp, err := c.alone(ctx, &pb.RequestOp{Request: &pb.RequestOp_RequestPut{RequestPut: r}})
	return resp.GetResponsePut(), err
}

// DeleteRange implements pb.KVClient.
func (c kvClient) DeleteRange(ctx context.Context, r *pb.DeleteRangeRequest, _ ...grpc.CallOption) (*pb.DeleteRangeResponse, error) {
	resp, err := c.alone(ctx, &pb.RequestOp{Request: &pb.RequestOp_RequestDeleteRange{RequestDeleteRange: r}})
	return resp.GetResponseDeleteRange(), err
}

// alone runs one write as the transaction that holds nothing else.
func (c kvClient) alone(ctx context.Context, op *pb.RequestOp) (*pb.ResponseOp, error) {
	resp, err := c.Txn(ctx, &pb.TxnRequest{Success: []*pb.RequestOp{op}})
	if err != nil {
		return nil, err
	}
	return resp.Responses[0], nil
}

// Compact implements pb.KVClient. It has freed everything when it returns, whether
// the request asks to wait for that or not.
func (c kvClient) Compact(ctx context.Context, r *pb.CompactionRequest, _ ...grpc.CallOption) (*pb.CompactionResponse, error) {
	leave, err := c.store.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	h := c.store.history
	switch {
	case r.Revision <= h.compacted:
		return nil, rpctypes.ErrGRPCCompacted
	case r.Revision > h.revision:
		return nil, rpctypes.ErrGRPCFutureRev
	}
	h.compact(r.Revision)
	return &pb.CompactionResponse{Header: c.store.header()}, nil
}

// RangeStream implements pb.KVClient. All chunks are of one moment; as with an etcd,
// header, count and more are those of the last one, and what is wrong with the
// request is told by the first Recv.
func (c kvClient) RangeStream(ctx context.Context, r *pb.RangeRequest, _ ...grpc.CallOption) (grpc.ServerStreamingClient[pb.RangeStreamResponse], error) {
	whole, err := c.Range(ctx, r)
	stream := &rangeStream{ctx: ctx, err: err}
	if err != nil {
		return stream, nil
	}
	for chunk := range slices.Chunk(whole.Kvs, c.store.limits.streamKeys) {
		stream.chunks = append(stream.chunks, &pb.RangeResponse{Kvs: chunk})
	}
	if len(stream.chunks) == 0 {
		stream.chunks = append(stream.chunks, &pb.RangeResponse{})
	}
	last := stream.chunks[len(stream.chunks)-1]
	last.Header, last.Count, last.More = whole.Header, whole.Count, whole.More
	return stream, nil
}

// rangeStream hands out the chunks of a range.
type rangeStream struct {
	grpc.ClientStream // nil: nobody asks a range for its metadata
	ctx               context.Context
	err               error
	chunks            []*pb.RangeResponse
}

// Recv implements grpc.ServerStreamingClient.
func (s *rangeStream) Recv() (*pb.RangeStreamResponse, error) {
	if s.err == nil && s.ctx.Err() != nil {
		s.err = status.FromContextError(s.ctx.Err()).Err()
	}
	if s.err == nil && len(s.chunks) == 0 {
		s.err = io.EOF
	}
	if s.err != nil {
		return nil, s.err
	}
	chunk := s.chunks[0]
	s.chunks = s.chunks[1:]
	return &pb.RangeStreamResponse{RangeResponse: chunk}, nil
}

// Context implements grpc.ClientStream.
func (s *rangeStream) Context() context.Context { return s.ctx }

// checkRange says whether a range can be read now.
func (s *Store) checkRange(r *pb.RangeRequest) error {
	if err := checkRangeForm(r); err != nil {
		return err
	}
	switch {
	case r.Revision > s.history.revision:
		return rpctypes.ErrGRPCFutureRev
	case r.Revision > 0 && r.Revision < s.history.compacted:
		return rpctypes.ErrGRPCCompacted
	}
	return nil
}

// checkRangeForm says what is wrong with a range whatever the store holds.
func checkRangeForm(r *pb.RangeRequest) error {
	if len(r.Key) == 0 {
		return rpctypes.ErrGRPCEmptyKey
	}
	// Any target but the key is an order of its own, even where none is named.
	if r.SortTarget != pb.RangeRequest_KEY || (r.SortOrder != pb.RangeRequest_NONE && r.SortOrder != pb.RangeRequest_ASCEND) {
		return unimplemented("a range in another order than by key")
	}
	if r.MinModRevision != 0 || r.MaxModRevision != 0 || r.MinCreateRevision != 0 || r.MaxCreateRevision != 0 {
		return unimplemented("a range filtered by revision")
	}
	return nil
}

// doRange reads a range that was checked.
func (s *Store) doRange(r *pb.RangeRequest) *pb.RangeResponse {
	revision := r.Revision
	if revision <= 0 {
		revision = s.history.head()
	}
	resp := &pb.RangeResponse{Header: s.header()}
	s.history.scan(rangeOf(string(r.Key), string(r.RangeEnd)), revision, func(rec *record) {
		resp.Count++
		switch {
		case r.CountOnly:
		case r.Limit > 0 && int64(len(resp.Kvs)) == r.Limit:
			resp.More = true
		case r.KeysOnly:
			resp.Kvs = append(resp.Kvs, rec.keyOnly())
		default:
			resp.Kvs = append(resp.Kvs, rec.keyValue())
		}
	})
	return resp
}

// keyOnly leaves out the lease as well as the value, as an etcd does that answers
// from its index alone.
func (r *record) keyOnly() *mvccpb.KeyValue {
	return &mvccpb.KeyValue{
		Key: []byte(r.key), CreateRevision: r.create, ModRevision: r.mod, Version: r.version,
	}
}
