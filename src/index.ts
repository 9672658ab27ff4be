/**
 * Tandem: two-way, typed, reactive RPC. See README.md for a tour, PROTOCOL.md for the wire.
 */
export * from './errors.js';
export { CloseReason, type CloseCode } from './protocol/close-reason.js';
export type { Limits } from './protocol/limits.js';
export type { MessageCodec, MessageCoder } from './protocol/message-codec.js';
export { transferred } from './protocol/transferred.js';
export { byReference } from './proxies/by-reference.js';
export type { RegistrationOptions } from './proxies/exposure.js';
export type { RemoteMethodName, RemoteStreamName } from './proxies/member-types.js';
export { dispose, notify, rx, withCallOptions } from './proxies/remote-proxy.js';
export type { SchemaIssue, SchemaResult, StandardSchema } from './proxies/schemas.js';
export type {
  Arriving,
  ByReference,
  CallOptions,
  Lent,
  Remote,
  NotifyMethod,
  NotifyProxy,
  RemoteFunction,
  RemoteMethod,
  RemoteProxy,
  RemoteReference,
  RemoteStream,
  RemoteStreamMember,
  RxMethod,
  RxProxy,
  Sendable,
} from './proxies/types.js';
export type { Authenticate, AuthenticationInfo } from './rpc/authenticator.js';
export type { Authorize, AuthorizedCall } from './rpc/authorization.js';
export { RPCClient } from './rpc/client.js';
export { RPCCommunicator } from './rpc/communicator.js';
export type { Counts } from './rpc/counts.js';
export type { RefusedCounts } from './rpc/quotas.js';
export { type CurrentCall, currentCall } from './rpc/current-call.js';
export { RPCDispatcher } from './rpc/dispatcher.js';
export {
  type ClientOptions,
  type DispatcherOptions,
  type ReconnectOptions,
  type ServerOptions,
} from './rpc/options.js';
export { RPCServer } from './rpc/server.js';
export { isSameSecret, sharedToken, type SharedToken } from './rpc/shared-token.js';
export type { ClientStatus, ServerStatus } from './rpc/status.js';
export type { DisconnectOptions, StopOptions } from './rpc/stop-options.js';
export type { WaitOptions } from './rpc/waiting.js';
export type { ErrorExposure } from './rpc/wire-errors.js';
export type { InterceptedCall, RPCHandler, RPCInterceptor } from './rpc/interceptors.js';
export { eachValueFrom } from './streams/each-value-from.js';
export type { DisconnectionEvent, HeartbeatEvent, RegistrationEvent } from './streams/lifecycle.js';
export { type Overflow, type OverflowOptions, withOverflow } from './streams/overflow.js';
export { droppedCount } from './streams/remote-stream.js';
export type { MainThreadHost } from './streams/main-thread-scheduler.js';
export { mainThreadCallable } from './main-thread/main-thread-callable.js';
export { mainThreadScheduler, setMainThreadHost } from './main-thread/main-thread-scheduler.js';
export {
  type MainThreadCallOptions,
  runOnMainThread,
  runOnMainThreadWithResult,
  type RunOnMainThreadWithResult,
} from './main-thread/run-on-main-thread.js';
export type {
  Address,
  Dial,
  DialSink,
  Listener,
  ListenSink,
  Transport,
  TransportFailure,
  TransportProvider,
  TransportSink,
} from './transports/transport.js';
