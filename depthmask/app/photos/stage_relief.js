// The 3D view: the photo as a relief that tilts with the pointer, drawn by WebGL.
//
// Depth is taken as the distance, as in render/mesh.py: the scene behind is one mesh without holes,
// the foreground another before it, which the mask cuts out.

import { calm, make } from "./stage_dom.js";
import { canvasPng } from "./stage_save.js";
import { DEPTH_STEPS } from "./stage_scene.js";

const VIEW_ANGLE = 60 * Math.PI / 180; // of the photo, along its longest side
const MAX_TILT = 0.28; // radians, at the border of the picture
const SWAY = 0.5; // of the largest tilt, at first
const SWAY_MS = 6000; // there and back,
const SWAYS = 2; // so often
const EASE = 0.12; // of the way to where the pointer is, in a frame
const CLOSER = 0.06; // of the distance: hides the border of the scene when it tilts
const NO_WEBGL = "This browser has no WebGL, so there is no 3D view. The 3D model can be downloaded below.";

const VERTEX = `
attribute vec2 place; attribute float depth;
uniform vec2 reach, turn, lens; uniform float pivot, closer;
varying vec2 spot;
void main() {
    spot = place;
    vec3 p = vec3((place - 0.5) * vec2(1.0, -1.0) * reach * depth, pivot - depth);
    vec2 c = cos(turn), s = sin(turn);
    p = vec3(c.x * p.x + s.x * p.z, p.y, c.x * p.z - s.x * p.x);
    p = vec3(p.x, c.y * p.y - s.y * p.z, c.y * p.z + s.y * p.y);
    float far = pivot * (1.0 - closer) - p.z;
    gl_Position = vec4(p.xy * lens, far * 0.9 - 0.02, far);
}`;
const FRAGMENT = `
precision mediump float;
uniform sampler2D colours, cover; uniform float cut;
varying vec2 spot;
void main() {
    float alpha = mix(1.0, texture2D(cover, spot).r, cut);
    gl_FragColor = vec4(texture2D(colours, spot).rgb * alpha, alpha);
}`;

export class Relief {
    // `load()` completes the scene and returns what loadRelief of stage_scene.js returns.
    constructor(tile, load) {
        [this.tile, this.loadGrid] = [tile, load];
        this.canvas = make("canvas", {
            class: "stage-relief", hidden: true, tabindex: 0, role: "img",
            "aria-label": "The scene as a relief; arrow keys tilt it",
        });
        tile.picture.append(this.canvas);
        [this.turn, this.wanted, this.gl, this.shown] = [[0, 0], null, null, false];
        this.canvas.addEventListener("pointermove", (event) => this.follow(event));
        this.canvas.addEventListener("pointerleave", () => { this.wanted = calm() ? this.turn : null; });
        this.canvas.addEventListener("keydown", (event) => this.press(event));
        this.canvas.addEventListener("webglcontextlost", (event) => {
            event.preventDefault();
            this.meshes = null;
        });
        this.canvas.addEventListener("webglcontextrestored", () => {
            this.gl = null;
            this.load();
        });
    }

    open(look) {
        this.drop();
        this.look = look;
        if (this.shown) this.load();
    }

    close() {
        this.drop();
        this.canvas.hidden = true;
    }

    drop() {
        const { gl, meshes } = this;
        if (meshes) {
            for (const name of ["places", "corners", "near", "far"]) gl.deleteBuffer(meshes[name]);
            for (const name of ["behind", "colours", "cover"]) gl.deleteTexture(meshes[name]);
        }
        [this.look, this.meshes, this.grid] = [null, null, null];
    }

    // Shows or hides the view.
    show(on) {
        this.shown = on;
        this.canvas.hidden = !on || !this.meshes;
        this.shownAt = performance.now();
        if (!on || !this.look) return;
        if (this.meshes) this.start();
        else this.load();
    }

    update(look) {
        if (look !== this.look || !this.meshes) return;
        this.fillCover();
        this.fillColours();
        this.draw();
    }

    async load() {
        const { look } = this;
        if (!look) return;
        if (!this.begin()) {
            this.tile.say(NO_WEBGL);
            return;
        }
        this.tile.say("Loading…");
        try {
            this.grid ||= await this.loadGrid();
        } catch (error) {
            console.debug("depthmask: no relief", error);
            if (this.shown && look === this.look) this.tile.say("The 3D view cannot be loaded; choose it again.");
            return;
        }
        if (look !== this.look) return;
        this.build();
        this.shownAt = performance.now();
        if (!this.shown) return;
        this.tile.say("");
        this.canvas.hidden = false;
        this.start();
    }

    begin() {
        if (this.gl) return true;
        const gl = this.canvas.getContext("webgl", { antialias: true, preserveDrawingBuffer: true });
        if (!gl) return false;
        const program = gl.createProgram();
        for (const [kind, source] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]]) {
            const shader = gl.createShader(kind);
            gl.shaderSource(shader, source);
            gl.compileShader(shader);
            gl.attachShader(program, shader);
        }
        gl.linkProgram(program);
        if (!gl.getProgramParameter(program, gl.LINK_STATUS)) return false;
        gl.useProgram(program);
        this.gl = gl;
        this.uniform = (name) => gl.getUniformLocation(program, name);
        this.attribute = (name) => gl.getAttribLocation(program, name);
        return true;
    }

    build() {
        const { gl, look: { scene }, grid } = this;
        const { columns, rows } = grid;
        const places = new Float32Array(2 * columns * rows);
        for (let y = 0, k = 0; y < rows; y += 1) {
            for (let x = 0; x < columns; x += 1) {
                places[k++] = x / Math.max(1, columns - 1);
                places[k++] = y / Math.max(1, rows - 1);
            }
        }
        const corners = new Uint16Array(6 * (columns - 1) * (rows - 1));
        for (let y = 0, k = 0; y < rows - 1; y += 1) {
            for (let x = 0; x < columns - 1; x += 1) {
                const [a, b] = [y * columns + x, (y + 1) * columns + x];
                corners.set([a, b, b + 1, a, b + 1, a + 1], k);
                k += 6;
            }
        }
        const fill = (target, content) => {
            const buffer = gl.createBuffer();
            gl.bindBuffer(target, buffer);
            gl.bufferData(target, content, gl.STATIC_DRAW);
            return buffer;
        };
        const depths = (steps) => fill(gl.ARRAY_BUFFER, Float32Array.from(steps, (step) => step / DEPTH_STEPS));
        this.meshes = {
            count: corners.length,
            places: fill(gl.ARRAY_BUFFER, places), corners: fill(gl.ELEMENT_ARRAY_BUFFER, corners),
            near: depths(grid.near), far: depths(grid.far),
            behind: this.texture(), colours: this.texture(), cover: this.texture(),
        };
        const { width, height } = scene;
        this.fill(this.meshes.behind, scene.background || scene.image, gl.RGBA);
        this.fillColours();
        this.fillCover();
        const reach = 2 * Math.tan(VIEW_ANGLE / 2);
        const longest = Math.max(width, height);
        gl.uniform2f(this.uniform("reach"), reach * width / longest, reach * height / longest);
        gl.uniform2f(this.uniform("lens"), 2 * longest / (reach * width), 2 * longest / (reach * height));
        gl.uniform1f(this.uniform("closer"), CLOSER);
        gl.uniform1i(this.uniform("colours"), 0);
        gl.uniform1i(this.uniform("cover"), 1);
        const sorted = grid.far.slice().sort();
        this.pivot = sorted[sorted.length >> 1] / DEPTH_STEPS;
        gl.uniform1f(this.uniform("pivot"), this.pivot);
    }

    texture() {
        const { gl } = this;
        const texture = gl.createTexture();
        gl.bindTexture(gl.TEXTURE_2D, texture);
        for (const [name, value] of [[gl.TEXTURE_WRAP_S, gl.CLAMP_TO_EDGE], [gl.TEXTURE_WRAP_T, gl.CLAMP_TO_EDGE],
            [gl.TEXTURE_MIN_FILTER, gl.LINEAR], [gl.TEXTURE_MAG_FILTER, gl.LINEAR]]) {
            gl.texParameteri(gl.TEXTURE_2D, name, value);
        }
        return texture;
    }

    fill(texture, pixels, format) {
        const { gl, look: { scene: { width, height } } } = this;
        gl.bindTexture(gl.TEXTURE_2D, texture);
        gl.pixelStorei(gl.UNPACK_ALIGNMENT, 1);
        const bytes = new Uint8Array(pixels.buffer, pixels.byteOffset, pixels.byteLength);
        gl.texImage2D(gl.TEXTURE_2D, 0, format, width, height, 0, format, gl.UNSIGNED_BYTE, bytes);
    }

    fillColours() {
        this.fill(this.meshes.colours, this.look.scene.foreground, this.gl.RGBA);
    }

    fillCover() {
        this.fill(this.meshes.cover, this.look.alpha, this.gl.LUMINANCE);
    }

    follow(event) {
        const box = this.canvas.getBoundingClientRect();
        this.wanted = [event.clientX - box.left, event.clientY - box.top].map(
            (at, k) => (2 * at / (k ? box.height : box.width) - 1) * MAX_TILT * (k ? 0.6 : 1));
        this.start();
    }

    press(event) {
        const ways = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
        const way = ways[event.key];
        if (!way) return;
        event.preventDefault();
        this.wanted = (this.wanted || this.turn).map((angle, k) =>
            Math.max(-MAX_TILT, Math.min(MAX_TILT, angle + way[k] * MAX_TILT / 5)));
        this.start();
    }

    // Draws frames until it rests. Without reduced motion it sways at first, if nobody points at it.
    start() {
        if (this.running || !this.meshes) return;
        this.running = true;
        const step = (now) => {
            this.running = false;
            if (!this.shown || !this.meshes) return;
            const still = calm();
            const turns = Math.max(0, now - this.shownAt) / SWAY_MS;
            const swaying = !still && !this.wanted && turns < SWAYS;
            const wide = swaying ? SWAY * MAX_TILT * (1 - turns / SWAYS) : 0;
            const goal = this.wanted || [Math.sin(2 * Math.PI * turns) * wide, Math.sin(4 * Math.PI * turns) * wide / 3];
            this.turn = this.turn.map((angle, k) => angle + (goal[k] - angle) * (still ? 1 : EASE));
            if (this.canvas.offsetParent) this.draw();
            const moving = Math.hypot(this.turn[0] - goal[0], this.turn[1] - goal[1]) > 1e-3;
            if (moving || swaying) this.start();
        };
        requestAnimationFrame(step);
    }

    draw() {
        const { gl, meshes, canvas, look: { scene } } = this;
        const ratio = Math.min(window.devicePixelRatio || 1, 2);
        const width = Math.round(Math.min(scene.width, Math.max(64, canvas.clientWidth * ratio)));
        const height = Math.round(width * scene.height / scene.width);
        if (canvas.width !== width || canvas.height !== height) [canvas.width, canvas.height] = [width, height];
        gl.viewport(0, 0, width, height);
        gl.clearColor(0, 0, 0, 0);
        gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
        gl.uniform2f(this.uniform("turn"), this.turn[0], this.turn[1]);
        gl.enable(gl.DEPTH_TEST);
        gl.disable(gl.BLEND);
        this.drawMesh(meshes.far, meshes.behind, 0);
        gl.clear(gl.DEPTH_BUFFER_BIT); // the foreground is before the scene, whatever its depth
        gl.enable(gl.BLEND);
        gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
        this.drawMesh(meshes.near, meshes.colours, 1);
        canvas.dataset.frames = Number(canvas.dataset.frames || 0) + 1;
    }

    drawMesh(depths, colours, cut) {
        const { gl, meshes } = this;
        const feed = (name, buffer, size) => {
            gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
            gl.enableVertexAttribArray(this.attribute(name));
            gl.vertexAttribPointer(this.attribute(name), size, gl.FLOAT, false, 0, 0);
        };
        feed("place", meshes.places, 2);
        feed("depth", depths, 1);
        [colours, meshes.cover].forEach((texture, unit) => {
            gl.activeTexture(gl.TEXTURE0 + unit);
            gl.bindTexture(gl.TEXTURE_2D, texture);
        });
        gl.activeTexture(gl.TEXTURE0);
        gl.uniform1f(this.uniform("cut"), cut);
        gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, meshes.corners);
        gl.drawElements(gl.TRIANGLES, meshes.count, gl.UNSIGNED_SHORT, 0);
    }

    // A PNG of what is on screen, or null.
    async picture() {
        if (!this.meshes) return null;
        this.draw();
        return canvasPng(this.canvas);
    }
}
