// Figures are drawn when they come into view; completions are listed from data in the page. Nothing is fetched.
(async () => {
  const read = id => JSON.parse(document.getElementById(id).textContent);
  const make = (tag, cls, text) => { const e = document.createElement(tag); if (cls) e.className = cls; if (text !== undefined) e.textContent = text; return e; };

  // Completions
  const rows = document.getElementById('rows') ? read('completions-data') : null;
  if (rows) {
    const pick = id => document.getElementById(id), list = pick('rows'), more = pick('more');
    let shown = 20;
    const marked = (text, span) => {
      const box = make('div', 'text');
      if (!span) { box.textContent = text; return box; }
      box.append(text.slice(0, span[0]), make('mark', '', text.slice(span[0], span[1])), text.slice(span[1]));
      return box;
    };
    // The same row before and after, where both evaluations asked it.
    const BOTH = 'both', steps = [...new Set(rows.filter(r => r.source !== 'training').map(r => r.step))].sort((a, b) => a - b);
    const of = step => new Map(rows.filter(r => r.source !== 'training' && r.step === step).map(r => [r.id, r]));
    const first = of(steps[0]), last = of(steps[steps.length - 1]);
    const pairs = steps.length < 2 ? [] : [...first.keys()].filter(id => last.has(id)).map(id => [first.get(id), last.get(id)]);
    const verdict = r => make('span', r.correct ? 'good' : 'bad', r.correct ? 'right' : 'wrong');
    const pair = ([a, b]) => {
      const box = make('article', 'row'), head = make('header'), sides = make('div', 'pair');
      head.append(make('span', '', `gold ${b.gold}`), make('span', 'dim', b.id)); box.append(head);
      if (b.prompt) { const d = make('details'); d.append(make('summary', '', 'prompt'), make('div', 'text q', b.prompt)); box.append(d); }
      for (const r of [a, b]) {
        const side = make('div'), top = make('header');
        top.append(make('b', '', `step ${r.step}`), verdict(r), make('span', '', `read ${r.answer ?? 'none'}`));
        side.append(top, marked(r.completion, r.span)); sides.append(side);
      }
      box.append(sides); return box;
    };
    const wanted = { all: () => true, right: ([, b]) => b.correct, wrong: ([, b]) => !b.correct, gained: ([a, b]) => !a.correct && b.correct, lost: ([a, b]) => a.correct && !b.correct };
    const card = r => {
      const box = make('article', 'row'), head = make('header');
      head.append(verdict(r), make('span', '', `gold ${r.gold}, read ${r.answer ?? 'none'}`));
      const listed = parts => Object.entries(parts || {}).map(([k, v]) => `${k} ${v === null ? 'none' : +Number(v).toFixed(3)}`).join(', ');
      if (typeof r.reward === 'number') head.append(make('span', '', `reward ${r.reward.toFixed(3)} (${listed(r.rewards)}), advantage ${r.advantage.toFixed(2)}`));
      if (listed(r.components)) head.append(make('span', 'dim', `grade: ${listed(r.components)}`));
      if (r.tokens !== undefined) head.append(make('span', 'dim', `${r.tokens} tokens${r.truncated ? ', cut off' : ''}`));
      head.append(make('span', 'dim', `${r.id}, step ${r.step}`));
      box.append(head);
      if (r.prompt) { const d = make('details'), s = make('summary', '', 'prompt'); d.append(s, make('div', 'text q', r.prompt)); box.append(d); }
      box.append(marked(r.completion, r.span));
      return box;
    };
    const draw = () => {
      const source = pick('source').value, which = pick('which').value, order = pick('order').value, words = pick('words').value.toLowerCase();
      for (const o of pick('which').options) if (['gained', 'lost'].includes(o.value)) o.hidden = source !== BOTH;
      if (source !== BOTH && ['gained', 'lost'].includes(which)) { pick('which').value = 'all'; return draw(); }
      pick('order').disabled = source === BOTH;
      if (source === BOTH) {
        const kept = pairs.filter(wanted[which]).filter(([a, b]) => !words || (b.prompt + a.completion + b.completion + b.id).toLowerCase().includes(words));
        list.replaceChildren(...kept.slice(0, shown).map(pair));
        pick('count').textContent = `${kept.length} rows`;
        more.hidden = kept.length <= shown;
        return;
      }
      const kept = rows.filter(r => r.source === source && (which === 'all' || r.correct === (which === 'right')) && (!words || (r.prompt + r.completion + r.id).toLowerCase().includes(words)));
      const key = { 'reward': r => -(r.reward ?? r.correct), 'low': r => (r.reward ?? r.correct), 'length': r => -r.completion.length }[order];
      if (key) kept.sort((a, b) => key(a) - key(b));
      list.replaceChildren(...kept.slice(0, shown).map(card));
      pick('count').textContent = `${kept.length} completions`;
      more.hidden = kept.length <= shown;
    };
    for (const id of ['source', 'which', 'order', 'words']) pick(id).addEventListener('input', () => { shown = 20; draw(); });
    more.addEventListener('click', () => { shown += 40; draw(); });
    draw();
  }

  // Plotly, packed in the page
  const say = text => { const m = document.getElementById('message'); m.textContent = text; m.hidden = false; };
  const packed = document.getElementById('plotly');
  if (!packed) return;
  if (!('DecompressionStream' in window)) return say('This browser cannot unpack the figures; text and tables are complete.');
  try {
    const s = atob(packed.textContent.trim()), u = new Uint8Array(s.length);
    for (let i = 0; i < s.length; i++) u[i] = s.charCodeAt(i);
    packed.remove();
    const js = await new Response(new Blob([u]).stream().pipeThrough(new DecompressionStream('gzip'))).text();
    const script = make('script'); script.textContent = js; document.head.append(script);
    if (!window.Plotly) throw Error('Plotly did not load');
  } catch (e) { return say('The figures could not be unpacked: ' + e.message); }

  const dark = matchMedia('(prefers-color-scheme: dark)'), coarse = matchMedia('(pointer: coarse)').matches;
  const template = () => {
    const d = dark.matches, fg = d ? '#e6e9ed' : '#1b1f24', g = d ? '#2e3640' : '#d8dee4', n = 'rgba(0,0,0,0)';
    const ax = { gridcolor: g, zerolinecolor: g, linecolor: g, automargin: true }, a3 = { gridcolor: g, zerolinecolor: g, linecolor: g, showbackground: false, color: fg };
    return { layout: { paper_bgcolor: n, plot_bgcolor: n, font: { color: fg, family: 'system-ui,sans-serif', size: 12 }, xaxis: ax, yaxis: ax,
      scene: { bgcolor: n, xaxis: a3, yaxis: a3, zaxis: a3 }, legend: { bgcolor: n, orientation: 'h', y: -0.25 }, updatemenudefaults: { bgcolor: d ? '#20262e' : '#fff', font: { color: fg }, bordercolor: g },
      hoverlabel: { bgcolor: d ? '#20262e' : '#fff', font: { color: fg } }, margin: { l: 50, r: 15, t: 15, b: 40 } } };
  };
  const figures = read('figures-data'), drawn = [], LIVE = 6;  // a phone keeps about eight WebGL scenes
  const live = [];
  const release = div => {
    const scene = div._fullLayout?.scene?._scene; let image;
    if (scene) {
      div._camera = scene.getCamera();
      const r = scene.container.getBoundingClientRect(), o = div.getBoundingClientRect(), part = (a, b) => 100 * a / b + '%';
      image = new Image(); image.src = scene.toImage('png'); image.className = 'snap';
      image.style.cssText = `left:${part(r.left - o.left, o.width)};top:${part(r.top - o.top, o.height)};width:${part(r.width, o.width)};height:${part(r.height, o.height)}`;
    }
    const contexts = [...div.querySelectorAll('canvas')].map(c => c.getContext('webgl') || c.getContext('webgl2')).filter(Boolean);
    Plotly.purge(div); contexts.forEach(c => c.getExtension('WEBGL_lose_context')?.loseContext());
    if (image) div.append(image);
    live.splice(live.indexOf(div), 1); drawn.splice(drawn.indexOf(div), 1); div._drawn = false;
  };
  const draw = async div => {
    const figure = structuredClone(figures[div.dataset.name]), solid = div.classList.contains('d3'), layout = figure.layout;
    delete layout.title; layout.template = template(); layout.dragmode = coarse && !solid ? false : layout.dragmode;
    if (solid) {
      while (live.length >= LIVE) release(live.find(d => !d._seen) || live[0]);
      layout.margin = { l: 0, r: 0, t: 0, b: 0 }; layout.scene.camera = div._camera || { eye: { x: 1.7, y: -1.7, z: 1.1 } };
      live.push(div);
    }
    div.querySelectorAll('.snap').forEach(i => i.remove());
    div._drawn = true; drawn.push(div);
    await Plotly.newPlot(div, figure.data, layout, { responsive: true, displaylogo: false, displayModeBar: coarse ? false : 'hover', scrollZoom: false, showSendToCloud: false });
    if (solid && !div._wheel) { div._wheel = true; div.addEventListener('wheel', e => { if (!e.ctrlKey) e.stopImmediatePropagation(); }, { capture: true, passive: true }); }
  };
  const queue = []; let busy = false;
  const work = async () => {
    if (busy) return; busy = true;
    while (queue.length) {
      const div = queue.shift();
      if (div._seen && !div._drawn) await draw(div).catch(e => { div.textContent = 'This figure could not be drawn: ' + e.message; });
      await new Promise(r => setTimeout(r, 10));
    }
    busy = false;
  };
  const observer = new IntersectionObserver(entries => {
    for (const e of entries) { e.target._seen = e.isIntersecting; if (e.isIntersecting && !e.target._drawn) queue.push(e.target); }
    work();
  }, { rootMargin: '300px' });
  document.querySelectorAll('.fig').forEach(div => observer.observe(div));
  // Paper shows what was never scrolled to as well.
  addEventListener('beforeprint', () => document.querySelectorAll('.fig').forEach(div => {
    if (!div._drawn && !div.querySelector('.snap')) draw(div).catch(e => { div.textContent = 'This figure could not be drawn: ' + e.message; });
  }));
  document.querySelectorAll('.turn').forEach(b => b.addEventListener('click', () => {
    const on = b.parentElement.querySelector('.fig').classList.toggle('on'); b.textContent = on ? 'lock' : 'turn';
  }));
  dark.addEventListener('change', async () => {
    document.querySelectorAll('.snap').forEach(i => i.remove());
    for (const div of [...drawn]) {
      const scene = div._fullLayout?.scene?._scene;
      await Plotly.relayout(div, scene ? { template: template(), 'scene.camera': scene.getCamera() } : { template: template() });
    }
  });
})();
