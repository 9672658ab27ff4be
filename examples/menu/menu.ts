/**
 * The menu, which is the main thread's, and what other threads may have it do. The main thread imports this to show the menu,
 * other threads for the names of its functions.
 */
import { BehaviorSubject } from 'rxjs';
import { mainThreadCallable } from 'tandem-rpc';

class Menu {
  readonly items$ = new BehaviorSubject<readonly string[]>([]);

  addNewMenuItem(item: string) {
    this.items$.next([...this.items$.value, item]);
  }

  removeMenuItem(item: string) {
    this.items$.next(this.items$.value.filter((other) => other !== item));
  }
}

export const connectionListMenu = new Menu();

export const addMenuItem = mainThreadCallable('menu.add', (connectionID: string) => {
  connectionListMenu.addNewMenuItem(connectionID);
});

export const removeMenuItem = mainThreadCallable('menu.remove', (connectionID: string) => {
  connectionListMenu.removeMenuItem(connectionID);
});

export const countMenuItems = mainThreadCallable('menu.count', () => connectionListMenu.items$.value.length);
