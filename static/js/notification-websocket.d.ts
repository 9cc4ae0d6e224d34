import type { Fault, NotificationView, Options, ServerFrames, State, WaybillClient } from './waybill.js';

export class NotificationWebSocket {
  constructor(token: string | Options['token'], options?: Omit<Options, 'token'>);
  token: string | Options['token'];
  /** The client beneath; null before `connect`. */
  ws: WaybillClient | null;
  connect(): void;
  close(): void;
  markAsRead(notificationId: string): Promise<void>;
  handleMessage(data: ServerFrames[keyof ServerFrames]): void;
  showNotification(notification: NotificationView): void;
  updateUnreadCount(): void;
  updateBadge(count: number): void;
  onConnected(): void;
  onDisconnected(state: State): void;
  onUnauthorized(error: Fault | undefined): void;
}
