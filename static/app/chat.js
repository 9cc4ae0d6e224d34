// Writing about an order: what was written, who writes, what was read, and what is on its way.

import { html, useEffect, useLayoutEffect, useRef, useState } from './view.js';
import { clock } from './format.js';
import { explain, t } from './i18n.js';
import { Failed, Icon, Loading, toast } from './ui.js';
import { Store, useStore } from './store.js';
import { uuid } from '../js/waybill-parts.js';

const MAX = 2000;
/** Nothing tells that somebody has stopped writing, milliseconds. */
const TYPING = 4000;
const TYPING_EVERY = 2000;

const byId = (messages) => [...new Map(messages.map((message) => [message.id, message])).values()]
  .sort((one, other) => (one.id < other.id ? -1 : 1));

/** The messages of an order: `group` is its subscription. */
function useMessages({ session, group, orderId, me }) {
  const [state, setState] = useState({ messages: [], readUpTo: null, isLoading: true, error: null, next: null });
  const load = async (cursor) => {
    setState((before) => ({ ...before, isLoading: true, error: null }));
    try {
      const page = await session.get(`/orders/${orderId}/messages?limit=50${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ''}`);
      const read = page.read.filter((mark) => mark.user_id !== me).map((mark) => mark.up_to).sort().at(-1) ?? null;
      setState((before) => ({
        ...before,
        messages: byId([...before.messages, ...page.items]),
        readUpTo: [before.readUpTo, read].filter(Boolean).sort().at(-1) ?? null,
        next: page.next_cursor ?? null,
        isLoading: false,
      }));
    } catch (error) {
      setState((before) => ({ ...before, isLoading: false, error }));
    }
  };
  useEffect(() => {
    load();
    const offs = [
      group.on('chat_message', ({ message }) => setState((before) => ({ ...before, messages: byId([...before.messages, message]) }))),
      group.on('chat_read', ({ user_id: userId, up_to: upTo }) => {
        if (userId !== me) setState((before) => ({ ...before, readUpTo: upTo > (before.readUpTo ?? '') ? upTo : before.readUpTo }));
      }),
      group.on('resync', () => load()),
    ];
    return () => offs.forEach((off) => off());
  }, [group, orderId]);
  return { ...state, load };
}

/**
 * Who it is that writes: `role` is what that user is known to be, if that is known. A partner has no user id here, so who is not the
 * customer is the partner to a customer, and support to a partner.
 */
export function writerOf(order, userId, { role, face }) {
  if (userId === order.customer.id) return order.customer.name;
  return role === 'admin' || (role === undefined && face === 'partner') ? t('role.admin') : order.partner?.name ?? t('a_partner');
}

/** The user who is writing now, or null. */
function useTyping(group, me) {
  const [writer, setWriter] = useState(null);
  useEffect(() => {
    let timer = 0;
    const end = () => { clearTimeout(timer); setWriter(null); };
    const offs = [
      group.on('typing', ({ user_id: userId }) => {
        if (userId === me) return;
        setWriter(userId);
        clearTimeout(timer);
        timer = setTimeout(end, TYPING);
      }),
      group.on('chat_message', ({ message }) => { if (message.sender.id !== me) end(); }),
    ];
    return () => { end(); offs.forEach((off) => off()); };
  }, [group]);
  return writer;
}

/** What was begun and not sent, by the store of what is on its way and by order: it lasts as long as the log-in. */
const drafts = new WeakMap();

function draftsOf(pending) {
  if (!drafts.has(pending)) drafts.set(pending, new Map());
  return drafts.get(pending);
}

const nobody = new Store(new Map());

/** What is on its way, as a store for `Chat`; what the client has given up is told. */
export function watchUnsent(client) {
  client.on('given_up', ({ frame, ...problem }) => {
    const why = explain(problem);
    toast({ kind: 'error', title: t('chat.not_sent'), text: frame.text ? `“${frame.text.slice(0, 80)}”: ${why}` : why });
  });
  return new Store([]);
}

/**
 * `other` is the name of whom one writes with; `isOpen` whether one still may; `pending` a store of what is on its way, which outlives
 * this dialog; `onClosed` is called when the server says that nothing can be written any more. In a dialog of its own the field
 * `takesFocus`. `present` is a store of who listens to the order, roles by user, where that is known.
 */
export function Chat({ session, client, group, order, other, isOpen, pending: store, onClosed, present = nobody, takesFocus = true }) {
  const me = session.user.value.id;
  const { messages, readUpTo, isLoading, error, next, load } = useMessages({ session, group, orderId: order.id, me });
  const writer = useTyping(group, me);
  const isTyping = writer !== null;
  const roles = useStore(present);
  const kept = draftsOf(store);
  const [text, setText] = useState(kept.get(order.id) ?? '');
  const write = (words) => {
    setText(words);
    if (words) kept.set(order.id, words);
    else kept.delete(order.id);
  };
  const pending = useStore(store).filter((one) => one.orderId === order.id);
  const list = useRef(null);
  const field = useRef(null);
  const told = useRef(0);
  const wasShown = useRef(false);
  const last = messages.at(-1);

  // What is on the screen is read.
  useEffect(() => {
    const read = () => {
      const newest = messages.findLast((message) => message.sender.id !== me);
      if (newest && document.visibilityState === 'visible') client.chatRead(order.id, newest.id).catch(() => {});
    };
    read();
    document.addEventListener('visibilitychange', read);
    return () => document.removeEventListener('visibilitychange', read);
  }, [last?.id]);
  useLayoutEffect(() => {
    const { scrollHeight, scrollTop, clientHeight } = list.current;
    // Who reads what was written before stays there.
    const isAtEnd = scrollHeight - scrollTop - clientHeight < 160 || !wasShown.current;
    if (isAtEnd) list.current.scrollTo(0, scrollHeight);
    wasShown.current = Boolean(last);
  }, [last?.id, pending.length, isTyping]);

  const type = (event) => {
    write(event.target.value);
    if (Date.now() - told.current > TYPING_EVERY && event.target.value) {
      told.current = Date.now();
      client.send({ type: 'typing', order_id: order.id });
    }
  };
  const send = async (event) => {
    event.preventDefault();
    // From the field itself: what is typed is drawn a moment later.
    const words = field.current.value.trim();
    if (!words) return;
    field.current.value = '';
    write('');
    told.current = 0;
    const clientId = uuid();
    store.set((before) => [...before, { clientId, orderId: order.id, text: words }]);
    try {
      await client.chat(order.id, words, { clientId });
    } catch (failure) {
      // The page goes; what was written is kept, and sent later.
      if (failure.code === 'closed') return;
      if (!kept.has(order.id)) write(words);
      if (failure.code === 'chat_closed') onClosed();
      else toast({ kind: 'error', title: explain(failure) });
    }
    store.set((before) => before.filter((one) => one.clientId !== clientId));
  };
  const onKey = (event) => {
    if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) send(event);
  };
  const written = new Set(messages.map((message) => message.client_id));
  const mine = messages.filter((message) => message.sender.id === me);
  const lastRead = mine.findLast((message) => readUpTo && message.id <= readUpTo);

  return html`<div class="chat">
    <div class="messages" ref=${list} tabindex="0" role="log" aria-label=${t('chat.messages')}><ol>
      ${next && html`<li class="center"><button type="button" class="link" disabled=${isLoading} onClick=${() => load(next)}>${t('chat.earlier')}</button></li>`}
      ${error && html`<li><${Failed} error=${error} onRetry=${() => load()} /></li>`}
      ${!error && isLoading && messages.length === 0 && html`<li><${Loading} /></li>`}
      ${!error && !isLoading && messages.length === 0 && pending.length === 0 && html`<li class="muted center">${t('chat.empty', { name: other })}</li>`}
      ${messages.map((message) => html`<li key=${message.id} class=${message.sender.id === me ? 'message mine' : 'message'}>
        ${message.sender.id !== me && html`<span class="sender">${message.sender.name}${message.sender.party === 'admin' ? ` · ${t('role.admin')}` : ''}</span>`}
        <span class="bubble">${message.text}</span>
        <span class="meta">${message.masked ? `${t('chat.masked')} · ` : ''}<time datetime=${message.created_at}>${clock(message.created_at)}</time>
          ${message.id === lastRead?.id ? ` · ${t('chat.read')}` : ''}</span></li>`)}
      ${pending.filter((one) => !written.has(one.clientId)).map((one) => html`<li key=${one.clientId} class="message mine pending">
        <span class="bubble">${one.text}</span><span class="meta">${t('chat.sending')}</span></li>`)}
      ${isTyping && html`<li class="message typing" role="status"><span class="bubble"><span class="sr">${t('chat.typing', { name: writerOf(order, writer, { role: roles.get(writer) ?? messages.find(({ sender }) => sender.id === writer)?.sender.party, face: session.face }) })}</span><i></i><i></i><i></i></span></li>`}
    </ol></div>
    ${isOpen
      ? html`<form class="composer" onSubmit=${send}>
          <label class="sr" for="chat-text">${t('chat.to', { name: other })}</label>
          <textarea id="chat-text" rows="1" autofocus=${takesFocus} ref=${field} maxlength=${MAX} placeholder=${t('chat.to', { name: other })} value=${text} onInput=${type} onKeyDown=${onKey}></textarea>
          <button class="icon-button filled" aria-label=${t('chat.send')} title=${t('chat.send')} disabled=${!text.trim()}><${Icon} name="send" /></button>
        </form>`
      : html`<p class="muted center">${t('chat.closed')}</p>`}
  </div>`;
}
