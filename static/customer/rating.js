// How it was: stars and a word, once.

import { html, useEffect, useState } from '../app/view.js';
import { whenBack } from '../app/back.js';
import { t } from '../app/i18n.js';
import { ActionButton, Icon, useLoaded } from '../app/ui.js';

const STARS = [1, 2, 3, 4, 5];

/** The rating that an order has, or null. */
const given = (session, orderId) => session.get(`/orders/${orderId}/rating`).catch((problem) => {
  if (problem.status === 404) return null;
  throw problem;
});

function Given({ rating: { stars, comment }, isNew }) {
  return html`<section class="card form">
    <h2>${t(isNew ? 'rating.thanks' : 'rating.yours')}</h2>
    <p class="stars" role="img" aria-label=${t('rating.count', { count: stars })}>${STARS.map((count) => html`<span key=${count} class=${count <= stars ? 'given' : ''}><${Icon} name=${count <= stars ? 'star_full' : 'star'} size=${24} /></span>`)}</p>
    ${comment && html`<p class="muted">${comment}</p>`}</section>`;
}

export function Rating({ session, order }) {
  const { value, error, reload } = useLoaded(() => given(session, order.id), order.id);
  const [stars, setStars] = useState(0);
  const [comment, setComment] = useState('');
  const [sent, setSent] = useState(null);
  useEffect(() => (error ? whenBack(reload) : undefined), [error]);
  const send = async () => {
    try {
      setSent(await session.post(`/orders/${order.id}/rating`, { stars, comment: comment.trim() || null }));
    } catch (problem) {
      if (problem.code !== 'already_rated') throw problem;
      await reload();
    }
  };
  if (sent) return html`<${Given} rating=${sent} isNew=${true} />`;
  if (value) return html`<${Given} rating=${value} />`;
  // Whether there is one is not known: nobody is asked twice.
  if (value === undefined || error) return null;
  return html`<section class="card form">
    <h2>${t('rating.title', { name: order.partner?.name ?? t('a_partner') })}</h2>
    <fieldset class="stars"><legend class="sr">${t('rating.stars')}</legend>${STARS.map((count) => html`
      <label key=${count} class=${count <= stars ? 'on' : ''}><input type="radio" name="stars" value=${count} checked=${stars === count} onChange=${() => setStars(count)} />
        <span class="sr">${t('rating.count', { count })}</span><${Icon} name=${count <= stars ? 'star_full' : 'star'} size=${32} /></label>`)}</fieldset>
    ${stars > 0 && html`<label>${t('rating.comment')}<textarea rows="2" maxlength="1000" value=${comment} onInput=${(event) => setComment(event.target.value)}></textarea></label>
      <${ActionButton} onPress=${send}>${t('rating.send')}</${ActionButton}>`}
  </section>`;
}
