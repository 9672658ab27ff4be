/**
 * Tandem: two-way, typed, reactive RPC. See README.md for a tour, PROTOCOL.md for the wire.
 */
export * from './errors.js';
export { CloseReason, type CloseCode } from './protocol/close-reason.js';
export type { Limits } from './protocol/limits.js';
export type { RegistrationOptions } from './proxies/exposure.js';
export { notify, withCallOptions } from './proxies/remote-proxy.js';
export type {
  CallOptions,
  NotifyMethod,
  NotifyProxy,
  RemoteMethod,
  RemoteMethodName,
  RemoteProxy,
} from './proxies/types.js';
export { RPCClient } from './rpc/client.js';
export { type Counts, RPCCommunicator } from './rpc/communicator.js';
export { type CurrentCall, currentCall } from './rpc/current-call.js';
export { RPCDispatcher } from './rpc/dispatcher.js';
export {
  type ClientOptions,
  type DispatcherOptions,
  mainThreadScheduler,
  type ReconnectOptions,
  type ServerOptions,
} from './rpc/options.js';
export { RPCServer, type StopOptions } from './rpc/server.js';
export type { ClientStatus, ServerStatus } from './rpc/status.js';
export type { WaitOptions } from './rpc/waiting.js';
export type { ErrorExposure } from './rpc/wire-errors.js';
export type { DisconnectionEvent, HeartbeatEvent, RegistrationEvent } from './streams/lifecycle.js';
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
