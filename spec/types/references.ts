/** What the compiler says of objects that cross by reference. Checked by `npm run types`; nothing here runs. */
import { expectTypeOf } from 'expect-type';
import { BehaviorSubject, type Observable } from 'rxjs';
import {
  byReference,
  type ByReference,
  dispose,
  type Lent,
  type RemoteProxy,
  type RemoteReference,
  type RemoteStream,
} from 'tandem-rpc';

declare function ignore(value: unknown): void;

class Account {
  owner = 'somebody';
  readonly balance$ = new BehaviorSubject(0);
  #total = 0;
  deposit(amount: number): number {
    this.#total += amount;
    return this.#total;
  }
  protected audit(): number {
    return this.#total;
  }
}

/** All that implement it are lent: the prototype of the class is marked. */
interface Session extends Lent<Session> {
  end(): void;
}
export class LocalSession implements Session {
  static {
    byReference(this.prototype);
  }
  end(): void {}
}

interface Bank {
  open(owner: string): ByReference<Account>;
  all(): Promise<readonly ByReference<Account>[]>;
  find(owner: string): { account: ByReference<Account> | undefined; readonly at: Date };
  login(): Session;
  opened$: Observable<ByReference<Account>>;
  close(account: Account): void;
  closeRemote(account: RemoteProxy<Account>): void;
  closeReference(account: RemoteReference<Account>): void;
  closeLent(account: ByReference<Account>): void;
  closeAll(accounts: readonly (Account | RemoteReference<Account>)[]): void;
  logout(session?: Session): void;
  eachAccount(use: (account: ByReference<Account>) => boolean): void;
}
declare const bank: RemoteProxy<Bank>;
declare const theirs: RemoteReference<Account>;
declare const session: RemoteReference<Session>;
const mine = byReference(new Account());

// Out: a proxy that can be given back.
expectTypeOf(bank.open).toEqualTypeOf<(owner: string) => Promise<RemoteReference<Account>>>();
expectTypeOf(bank.all).returns.resolves.toEqualTypeOf<readonly RemoteReference<Account>[]>();
expectTypeOf(bank.find).returns.resolves.toEqualTypeOf<{
  account: RemoteReference<Account> | undefined;
  readonly at: Date;
}>();
expectTypeOf(bank.login).returns.resolves.toEqualTypeOf<RemoteReference<Session>>();
expectTypeOf(bank.opened$).toEqualTypeOf<RemoteStream<RemoteReference<Account>>>();
expectTypeOf(theirs.deposit).toEqualTypeOf<(amount: number) => Promise<number>>();
expectTypeOf(theirs.balance$).toEqualTypeOf<RemoteStream<number>>();
expectTypeOf(theirs).toExtend<RemoteProxy<Account> & Disposable>();
theirs[Symbol.dispose]();
dispose(theirs);
// @ts-expect-error -- data stays where it is
ignore(theirs.owner);
// @ts-expect-error -- private over there
ignore(theirs.audit);

// In: one's own object by reference, or theirs, which is the object itself when it is back.
for (const account of [mine, theirs]) {
  void bank.closeRemote(account);
  void bank.closeReference(account);
  void bank.closeLent(account);
  void bank.closeAll([account, account]);
}
void bank.close(mine);
void bank.close(theirs);
void bank.logout(session);
void bank.logout();
void bank.eachAccount(async (account) => {
  expectTypeOf(account).toEqualTypeOf<RemoteReference<Account>>();
  return (await account.deposit(1)) > 0;
});
// @ts-expect-error -- it would be copied, and has methods: it needs byReference
void bank.closeRemote(new Account());
// @ts-expect-error -- of another type
void bank.closeRemote(session);
// @ts-expect-error -- of another type
void bank.close(session);
// @ts-expect-error -- what can be disposed of is not yet a reference
void bank.close({ [Symbol.dispose]: () => undefined });
// @ts-expect-error -- a proxy of another object
void bank.close(bank);
// @ts-expect-error -- and not what it returns
void bank.close(bank.open('somebody'));

// byReference leaves the object what it is.
expectTypeOf(mine.owner).toBeString();
expectTypeOf(mine).toExtend<Account>();
expectTypeOf(mine).toExtend<RemoteProxy<Account>>();
byReference(new Account(), { only: ['deposit'], streams: { balance$: { overflow: 'latest' } } });
// @ts-expect-error -- an object is needed
byReference(1);
// @ts-expect-error -- unknown option
byReference(new Account(), { except: ['deposit'] });
