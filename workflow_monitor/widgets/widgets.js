/** @import { WidgetModel, WidgetView } from "./types.js" */

/**
 * Return the model of a widget that a trait refers to.
 *
 * @param {WidgetModel} model
 * @param {string} reference
 */
export function referencedModel(model, reference) {
  return model.widget_manager.get_model(reference.replace("IPY_MODEL_", ""));
}

/**
 * Show a widget that a trait refers to.
 *
 * @param {WidgetModel} model
 * @param {string} reference
 * @param {HTMLElement} host
 * @returns {Promise<WidgetView>}
 */
export async function showWidget(model, reference, host) {
  const view = await model.widget_manager.create_view(await referencedModel(model, reference));
  host.append(view.el);
  view.trigger("displayed");
  return view;
}
