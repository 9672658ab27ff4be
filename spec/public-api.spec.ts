import { describe, expect, it } from '@jest/globals';
import * as tandem from 'tandem-rpc';
import * as msgpackr from 'tandem-rpc/msgpackr';
import * as testing from 'tandem-rpc/testing';

describe('tandem-rpc', () => {
  it('exports these names and no others', () => {
    expect(Object.keys(tandem).sort()).toEqual([
      'AuthenticationError',
      'CloseReason',
      'ConnectionLostError',
      'InvalidArgumentsError',
      'LimitExceededError',
      'NotConnectedError',
      'PermissionDeniedError',
      'PortInUseError',
      'ProtocolError',
      'RPCClient',
      'RPCCommunicator',
      'RPCDispatcher',
      'RPCError',
      'RPCServer',
      'RPCTimeoutError',
      'RemoteError',
      'ServerAlreadyRunningException',
      'ServerFullError',
      'StaleReferenceError',
      'StreamLostError',
      'StreamOverflowError',
      'UnknownConnectionError',
      'UnknownMethodError',
      'UnknownObjectError',
      'UnserializableValueError',
      'byReference',
      'currentCall',
      'dispose',
      'droppedCount',
      'eachValueFrom',
      'isSameSecret',
      'mainThreadCallable',
      'mainThreadScheduler',
      'notify',
      'runOnMainThread',
      'runOnMainThreadWithResult',
      'rx',
      'setMainThreadHost',
      'sharedToken',
      'transferred',
      'withCallOptions',
      'withOverflow',
    ]);
  });

  it('names each error by its class, below RPCError', () => {
    const { RPCError, PortInUseError, RemoteError } = tandem;
    const errors = [
      new tandem.ServerAlreadyRunningException(''),
      new PortInUseError('', 'http'),
      new RemoteError('', { remoteName: 'Error' }),
      new tandem.RPCTimeoutError(''),
      new tandem.ConnectionLostError(''),
      new tandem.NotConnectedError(''),
      new tandem.UnknownConnectionError(''),
      new tandem.UnknownObjectError(''),
      new tandem.UnknownMethodError(''),
      new tandem.UnserializableValueError(''),
      new tandem.ProtocolError(''),
      new tandem.LimitExceededError(''),
      new tandem.ServerFullError(''),
      new tandem.InvalidArgumentsError('', []),
      new tandem.StaleReferenceError(''),
      new tandem.StreamOverflowError(''),
      new tandem.StreamLostError(''),
      new tandem.AuthenticationError(''),
      new tandem.PermissionDeniedError(''),
      new RPCError(''),
    ];
    for (const error of errors) {
      expect(error).toBeInstanceOf(RPCError);
      expect([error.name, error.executed, error.cause]).toEqual([
        error.constructor.name,
        undefined,
        undefined,
      ]);
    }
    expect(new Set(errors.map(({ code }) => code)).size).toBe(errors.length);
  });
});

describe('tandem-rpc/msgpackr', () => {
  it('exports these names and no others', () => {
    expect(Object.keys(msgpackr)).toEqual(['msgpackrCodec']);
  });
});

describe('tandem-rpc/testing', () => {
  it('exports these names and no others', () => {
    expect(Object.keys(testing).sort()).toEqual(['FaultProxy', 'TestNetwork', 'seededRandom']);
  });
});
